/** MCP over stdin and stdout: stdout carries protocol lines and nothing else. */

import { Console } from 'node:console';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { type Clock, systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { registerSecret } from '../base/redact.ts';
import type { Caller } from '../control/caller.ts';
import type { Control } from '../control/control.ts';
import { AuditLog } from './audit.ts';
import { createServerFactory } from './build-server.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import type { CallLimits } from './limits.ts';
import { type MCPObserver, silentObserver } from './observer.ts';
import type { MCPSettings } from './options.ts';
import { makeServices } from './services.ts';

export interface MCPStdioOptions {
  readonly caller: Caller;
  readonly settings: Pick<MCPSettings, 'auditLog' | 'auditReads' | 'maxResultChars' | 'token'>;
  readonly log: Logger;
  readonly version: string;
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Ends the service as the end of stdin does. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly observer?: MCPObserver;
  readonly limits?: CallLimits;
}

/** Calls in flight when stdin ends have this long; the whole end stays under 5 s. */
const GRACE_MS = 3_000;
/** Answers already made have this long to be written. */
const FLUSH_MS = 1_000;

/** Serves until stdin ends, the process is told to end, or `signal` aborts, then finishes or aborts what runs. Does not close `control`. Both eras; the first message decides. */
export async function serveMCPStdio(control: Control, options: MCPStdioOptions): Promise<void> {
  const { log, clock = systemClock, observer = silentObserver, stdin = process.stdin, stdout = process.stdout } = options;
  if (options.settings.token !== undefined) registerSecret(options.settings.token.reveal());
  const restoreConsole = sendConsoleTo(options.stderr ?? process.stderr);
  const calls = new CallsInFlight();
  const audit = new AuditLog(options.settings.auditLog, log);
  const makeServer = createServerFactory({
    calls,
    version: options.version,
    services: makeServices(control, audit, options.settings, options),
  });
  // The SDK drops open requests when its stdin ends, so it is given one that ends after they are answered.
  const input = new PassThrough();
  const transport = new StdioServerTransport(input, stdout);
  const handle = serveStdio(({ era }) => makeServer({ caller: options.caller, era, transport: 'stdio' }), {
    transport,
    onerror: (error) => log.log('debug', 'mcp message not served', { error: error.message }),
  });
  observer.connections('stdio', 1);
  try {
    await endOf(stdin, input, options.signal);
    await settle(clock);
    await calls.drain(GRACE_MS, new LitestreamError('SHUTTING_DOWN', 'The client has closed the connection.'));
    await settle(clock);
    await flush(stdout);
  } finally {
    observer.connections('stdio', 0);
    await handle.close();
    await audit.close();
    restoreConsole();
  }
}

const END_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Copies stdin until it ends or fails, the process is told to end, or `signal` aborts. */
function endOf(stdin: Readable, input: PassThrough, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stdin.off('data', forward);
      stdin.pause();
      for (const name of END_SIGNALS) process.off(name, end);
      resolve();
    };
    const forward = (chunk: Buffer) => void input.write(chunk);
    stdin.on('data', forward);
    stdin.once('end', end);
    stdin.once('close', end);
    stdin.once('error', end);
    for (const name of END_SIGNALS) process.once(name, end);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Lets messages that have been read become calls, and answers that have been made become lines. */
async function settle(clock: Clock): Promise<void> {
  await clock.sleep(20);
}

async function flush(stdout: Writable): Promise<void> {
  if (stdout.writableLength === 0 || stdout.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS);
    stdout.write('', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A stray line from any dependency on stdout would break the protocol: the console goes to stderr while we serve. */
function sendConsoleTo(stderr: Writable): () => void {
  const original = globalThis.console;
  globalThis.console = new Console({ stdout: stderr, stderr });
  return () => {
    globalThis.console = original;
  };
}
