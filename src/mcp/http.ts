/** The MCP listener: the verbs behind guards, both eras and the legacy event stream. */

import type { ServerNotifier } from '@modelcontextprotocol/server';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { registerSecret } from '../base/redact.ts';
import type { Control } from '../control/control.ts';
import { AuditLog } from './audit.ts';
import { createServerFactory } from './build-server.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { Door, type ListenerOptions } from './http/door.ts';
import { listenTarget, startListening } from './http/listen.ts';
import { type CallLimits, DEFAULT_LIMITS } from './limits.ts';
import { type MCPObserver, silentObserver } from './observer.ts';
import type { MCPSettings } from './options.ts';
import { makeServices } from './services.ts';
import { Tokens } from './tokens.ts';

export interface MCPHTTPOptions {
  readonly log: Logger;
  readonly version: string;
  readonly clock?: Clock;
  readonly observer?: MCPObserver;
  readonly limits?: CallLimits;
}

export interface MCPListener {
  /** `http://HOST:PORT`, with the port really bound; the endpoint is `/mcp` there. */
  readonly address: string;
  /** Number of tokens accepted, 0 where none is needed. */
  readonly tokens: number;
  close(): Promise<void>;
}

/** Serves the verbs at `settings.address`. Throws ADDRESS_IN_USE, or CONFIG_INVALID for an open address without a token or bad token file. */
export async function startMCPHTTP(settings: MCPSettings, control: Control, options: MCPHTTPOptions): Promise<MCPListener> {
  const { log, clock = systemClock, observer = silentObserver, limits = DEFAULT_LIMITS } = options;
  if (settings.token !== undefined) registerSecret(settings.token.reveal());
  const calls = new CallsInFlight();
  const audit = new AuditLog(settings.auditLog, log);
  const makeServer = createServerFactory({
    calls,
    version: options.version,
    services: makeServices(control, audit, settings, options),
  });
  const listener = await startMCPListener(settings, { log, clock, observer, limits, makeServer, calls });
  log.log('info', 'mcp listening', { address: listener.address, read_only: settings.readOnly, tokens: listener.tokens, sse: settings.sse });
  return {
    address: listener.address,
    tokens: listener.tokens,
    close: async () => {
      await listener.close();
      await audit.close();
    },
  };
}

/** Idle and revoked connections are looked for this often. */
const SWEEP_MS = 15_000;

/** The listener without the verbs: the conformance tests put their own tools behind it. */
export async function startMCPListener(
  settings: MCPSettings,
  options: ListenerOptions,
): Promise<MCPListener & { readonly notify: ServerNotifier }> {
  const tokens = new Tokens(settings, options.clock, options.log);
  const target = listenTarget(settings.address, tokens.required);
  const door = new Door(settings, tokens, options);
  await tokens.open(() => door.tokensChanged());
  const address = await startListening(door.app, target).catch((error: unknown) => {
    tokens.close();
    throw error;
  });
  const sweeper = setInterval(() => door.sweep(), SWEEP_MS);
  sweeper.unref();
  return {
    address,
    tokens: tokens.entries.length,
    notify: door.notify,
    close: async () => {
      clearInterval(sweeper);
      tokens.close();
      await door.close();
    },
  };
}
