/** One request that passes the fault proxy, and its answer. */

import { type IncomingMessage, request as makeRequest, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer, HTTPFault, Place } from './fault-proxy.ts';
import { paced } from './paced.ts';

export type PassingFault = Extract<HTTPFault, { readonly of: 'request' | 'answer' }>;

/** One request and its answer. */
export class Exchange {
  readonly #target: URL;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #socket: Socket;

  constructor(target: URL, request: IncomingMessage, response: ServerResponse) {
    this.#target = target;
    this.#request = request;
    this.#response = response;
    this.#socket = request.socket;
  }

  /** Asks the server and returns its answer, whose body is still to come. */
  ask(body: AsyncIterable<Uint8Array> | Uint8Array): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const upstream = this.#upstream(resolve, reject);
      void (async () => {
        if (body instanceof Uint8Array) upstream.end(body);
        else {
          for await (const chunk of body) if (!upstream.write(chunk)) await drained(upstream);
          upstream.end();
        }
      })().catch(reject);
    });
  }

  #upstream(resolve: (answer: IncomingMessage) => void, reject: (error: unknown) => void) {
    const { hostname, port } = this.#target;
    const upstream = makeRequest({
      host: hostname,
      port,
      method: this.#request.method,
      path: this.#request.url,
      headers: this.#request.rawHeaders,
      setHost: false,
      agent: false,
    });
    // The client may leave at any time; then the server is left too.
    this.#response.once('close', () => upstream.destroy());
    upstream.on('error', reject).on('response', resolve);
    return upstream;
  }

  /** Gives an answer of ours. */
  async answer({ status, headers = {}, body = '' }: Answer): Promise<void> {
    this.#request.resume();
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const { 'transfer-encoding': _, ...rest } = headers;
    const isBodyless = this.#request.method === 'HEAD' || status === 204 || status === 304;
    const length = isBodyless ? {} : { 'content-length': String(bytes.length) };
    // Whoever has not read all of a request has to end the connection with it.
    const ending = this.#request.complete ? {} : { connection: 'close' };
    this.#response.sendDate = rest.date === undefined;
    this.#response.writeHead(status, { ...rest, ...length, ...ending });
    this.#response.end(isBodyless ? undefined : bytes);
  }

  /** Hands on the server's answer, up to its fault. */
  async pass(answer: IncomingMessage, fault: PassingFault | undefined): Promise<void> {
    const response = this.#response;
    if (fault !== undefined && fault.type !== 'slow' && fault.at === 'header') {
      this.#socket.write(`HTTP/1.1 ${answer.statusCode} OK\r\nDate: ${new Date().toUTCString()}\r\nConten`);
      return fault.type === 'cut' ? this.break(fault.how ?? 'reset', answer) : undefined;
    }
    response.sendDate = false;
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, [...answer.rawHeaders]);
    response.flushHeaders();
    const isCut = await this.#copy(answer, response, fault, Number(answer.headers['content-length']));
    if (!isCut) response.end();
    else if (fault?.type === 'cut') this.break(fault.how ?? 'reset', answer);
  }

  /** A request that does not reach the server as it was sent. */
  async faultyRequest(fault: PassingFault): Promise<void> {
    if (this.#request.headers.expect !== undefined) this.#response.writeContinue();
    if (fault.type !== 'slow' && fault.at === 'header') return fault.type === 'cut' ? this.break(fault.how ?? 'reset') : undefined;
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      const upstream = this.#upstream(resolve, reject);
      void this.#copy(this.#request, upstream, fault, Number(this.#request.headers['content-length']))
        .then((isCut) => {
          if (!isCut) upstream.end();
          else if (fault.type === 'cut') this.break(fault.how ?? 'reset');
        })
        .catch(reject);
    });
    return this.pass(await answered, undefined);
  }

  async twice(hears: 'first' | 'second'): Promise<void> {
    if (this.#request.headers.expect !== undefined) this.#response.writeContinue();
    const body = await whole(this.#request);
    const answers: Answer[] = [];
    for (let i = 0; i < 2; i++) {
      const answer = await this.ask(body);
      answers.push({ ...heading(answer), body: await whole(answer) });
    }
    const [first = { status: 502 }, second = first] = answers;
    return this.answer(hears === 'first' ? first : second);
  }

  /** Ends the connection in the middle of things. */
  break(how: 'reset' | 'end', answer?: IncomingMessage): void {
    answer?.destroy();
    // What was written leaves first: a reset throws away what is still in the buffer.
    setTimeout(() => (how === 'reset' ? this.#socket.resetAndDestroy() : this.#socket.destroy()), 10);
  }

  /** Copies a body up to the place of the fault; whether it got there. */
  async #copy(
    from: IncomingMessage,
    to: Drain & { write(chunk: Uint8Array): boolean },
    fault: PassingFault | undefined,
    length: number,
  ): Promise<boolean> {
    let left = fault === undefined || fault.type === 'slow' ? Number.POSITIVE_INFINITY : offsetOf(fault.at, length);
    if (left <= 0) return true;
    // What is left early is not ended by that: how, the fault says.
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, left);
      if (fault?.type === 'slow') for await (const piece of paced(part, fault.bytesPerSecond)) to.write(piece);
      else if (!to.write(part)) await drained(to);
      left -= part.length;
      if (left <= 0) return true;
    }
    // At its end: also a body whose length nobody knew is not finished.
    return fault !== undefined && fault.type !== 'slow';
  }
}

/** Bytes of a body of `length` that pass before a place. */
function offsetOf(place: Place, length: number): number {
  if (typeof place === 'number') return place;
  const known = Number.isFinite(length) ? length : 0;
  return {
    header: 0,
    'first byte': 1,
    middle: Math.max(1, Math.floor(known / 2)),
    'last byte': Math.max(1, known - 1),
    end: Number.POSITIVE_INFINITY,
  }[place];
}

/** What bytes go into, as slowly as it takes them. */
interface Drain {
  readonly destroyed: boolean;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

const drained = (to: Drain): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      to.off('drain', done);
      to.off('close', done);
      resolve();
    };
    if (to.destroyed) return resolve();
    to.on('drain', done);
    to.on('close', done);
  });

export function heading(answer: IncomingMessage): { status: number; headers: Record<string, string> } {
  const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
  return { status: answer.statusCode ?? 502, headers };
}

export async function whole(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
