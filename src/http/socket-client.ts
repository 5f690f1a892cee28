/** The verbs of a running daemon, reached over its private socket. */

import { Agent, type IncomingMessage, request } from 'node:http';
import { errorFromData, LitestreamError } from '../base/errors.ts';
import type { Control, VerbInput, VerbName, VerbOutput } from '../control/control.ts';
import type { CallContext, ConfirmAnswer } from '../control/verb.ts';
import {
  ANSWER_PREFIX,
  type AnswerRequest,
  CALL_PREFIX,
  type CallRequest,
  PING_PATH,
  type Ping,
  type ServerLine,
} from './socket-protocol.ts';

export interface AttachOptions {
  /** What a stdio server was started with; its scopes replace the default ones. */
  readonly token?: string;
}

/** A control that runs in the daemon behind `socketPath`. Nothing is sent before the first call. */
export function attachControl(socketPath: string, options: AttachOptions = {}): Control {
  return new AttachedControl(socketPath, options);
}

class AttachedControl implements Control {
  readonly attached = 'daemon';
  readonly #path: string;
  readonly #options: AttachOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #closing = new Set<AbortController>();
  #closed = false;

  constructor(path: string, options: AttachOptions) {
    this.#path = path;
    this.#options = options;
  }

  async call<N extends VerbName>(name: N, input: VerbInput<N>, call: CallContext): Promise<VerbOutput<N>> {
    call.signal.throwIfAborted();
    if (this.#closed) throw closed();
    const abort = new AbortController();
    const onAbort = () => abort.abort(call.signal.reason);
    call.signal.addEventListener('abort', onAbort, { once: true });
    this.#closing.add(abort);
    try {
      const response = await this.#send('POST', `${CALL_PREFIX}${encodeURIComponent(name)}`, this.#requestOf(input, call), abort.signal);
      return (await this.#follow(response, call)) as VerbOutput<N>;
    } catch (error) {
      if (abort.signal.aborted) throw abort.signal.reason;
      throw error;
    } finally {
      this.#closing.delete(abort);
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends calls that are still running: the daemon cancels what they began. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const abort of this.#closing) abort.abort(closed());
    this.#agent.destroy();
  }

  #requestOf(input: unknown, { caller, confirm, session }: CallContext): CallRequest {
    const { door, principal, scopes, readOnly, operator, databases } = caller;
    return {
      input: (input ?? {}) as Record<string, unknown>,
      caller: {
        door,
        principal,
        scopes: [...scopes],
        readOnly,
        operator,
        ...(databases === undefined ? {} : { databases: [...databases] }),
      },
      ...(this.#options.token === undefined ? {} : { token: this.#options.token }),
      confirms: confirm !== undefined,
      ...(session === undefined
        ? {}
        : {
            session: {
              ...(session.protocol === undefined ? {} : { protocol: session.protocol }),
              ...(session.toolsets === undefined ? {} : { toolsets: [...session.toolsets] }),
            },
          }),
    };
  }

  async #follow(response: IncomingMessage, call: CallContext): Promise<unknown> {
    for await (const line of linesOf(response)) {
      switch (line.type) {
        case 'progress':
          call.progress?.(line.progress);
          break;
        case 'ask':
          void this.#answer(line, call);
          break;
        case 'result':
          return line.value;
        case 'error':
          throw errorFromData(line.error);
      }
    }
    throw unreachable(this.#path, 'the answer ended in the middle');
  }

  /** Never rejects: a question whose answer does not arrive is a dismissed one. */
  async #answer({ id, question }: ServerLine & { readonly type: 'ask' }, { confirm, signal }: CallContext): Promise<void> {
    try {
      const answer: ConfirmAnswer = confirm === undefined ? 'unavailable' : await confirm(question).catch(() => 'dismissed');
      const response = await this.#send('POST', ANSWER_PREFIX + id, { answer } satisfies AnswerRequest, signal);
      response.resume();
    } catch {
      // The call itself reports that the daemon is gone.
    }
  }

  async #send(method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    return sendRequest({ socketPath: this.#path, method, path, body, signal, agent: this.#agent });
  }
}

/** Asks the daemon behind a socket who it is. DAEMON_UNREACHABLE when it does not answer within `timeoutMs`. */
export async function pingSocket(socketPath: string, timeoutMs: number): Promise<Ping> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await sendRequest({ socketPath, method: 'GET', path: PING_PATH, signal });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof value === 'object' && value !== null && 'pid' in value && 'version' in value) {
      if (typeof value.pid === 'number' && typeof value.version === 'string') {
        const directories = 'directories' in value && Array.isArray(value.directories) ? value.directories.map(String) : [];
        return { pid: value.pid, version: value.version, directories };
      }
    }
  } catch (cause) {
    throw unreachable(socketPath, signal.aborted ? `no answer within ${timeoutMs / 1000} s` : 'no connection', cause);
  }
  throw unreachable(socketPath, 'what answers there is no litestream daemon');
}

interface RawRequest {
  readonly socketPath: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
  readonly agent?: Agent;
}

function sendRequest({ socketPath, method, path, body, signal, agent }: RawRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const sent = request({
    socketPath,
    method,
    path,
    signal,
    ...(agent === undefined ? { agent: false } : { agent }),
    headers: payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length },
  });
  sent.once('response', resolve);
  sent.on('error', (cause) => reject(unreachable(socketPath, 'no connection', cause)));
  sent.end(payload);
  return promise;
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<ServerLine, void, undefined> {
  let rest = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) if (part !== '') yield JSON.parse(part) as ServerLine;
    }
  } catch (cause) {
    if (cause instanceof LitestreamError) throw cause;
    throw new LitestreamError('DAEMON_UNREACHABLE', 'the connection to the daemon broke', {
      cause,
      hint: 'Look at the log of the daemon.',
    });
  }
}

function unreachable(socketPath: string, what: string, cause?: unknown): LitestreamError {
  return new LitestreamError('DAEMON_UNREACHABLE', `the daemon at ${socketPath} does not answer: ${what}`, {
    cause,
    hint: 'Look at the log of the daemon; it may be starting or stopping.',
  });
}

const closed = (): LitestreamError => new LitestreamError('CANCELLED', 'this connection to the daemon was closed');
