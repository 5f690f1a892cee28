/** Binding a TCP listener, with errors a person can act on. */

import type { FastifyInstance } from 'fastify';
import { LitestreamError } from '../base/errors.ts';
import { systemCode } from '../base/system-error.ts';
import type { ListenAddress } from './options.ts';

/**
 * Binds and returns `host:port` as really bound.
 * @param key the configuration key the address came from, for the error.
 */
export async function listen(server: FastifyInstance, { host, port, text }: ListenAddress, key: string): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw bindError(error, text, key);
  }
  const bound = server.server.address();
  if (bound === null || typeof bound === 'string') return text;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

/** Turns a failed bind into ADDRESS_IN_USE, ACCESS_DENIED or CONFIG_INVALID. */
export function bindError(cause: unknown, address: string, key: string): LitestreamError {
  const code = systemCode(cause);
  const what = `cannot listen on ${address} (${key})`;
  if (code === 'EADDRINUSE')
    return new LitestreamError('ADDRESS_IN_USE', `${what}: the port is taken`, {
      cause,
      hint: `Stop what listens there (perhaps another litestream) or change ${key}.`,
    });
  if (code === 'EACCES')
    return new LitestreamError('ACCESS_DENIED', `${what}: not permitted`, {
      cause,
      hint: `Ports below 1024 need a privilege; choose another for ${key}.`,
    });
  return new LitestreamError('CONFIG_INVALID', `${what}: ${code || 'the address cannot be bound'}`, {
    cause,
    hint: `${key} must name an address of this machine.`,
  });
}
