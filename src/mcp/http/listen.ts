/** Where the listener binds: loopback unless a token guards it (docs/mcp.md, Who may do what). */

import type { FastifyInstance } from 'fastify';
import { LitestreamError } from '../../base/errors.ts';
import type { ListenAddress } from '../../http/options.ts';
import { isLoopbackAddress } from './names.ts';

export interface ListenTarget {
  readonly host: string;
  readonly port: number;
  /** As configured, for messages. */
  readonly text: string;
}

/** Throws CONFIG_INVALID when the address can be reached from other machines and no token is configured. */
export function listenTarget(address: ListenAddress | undefined, guarded: boolean): ListenTarget {
  if (address === undefined) throw new LitestreamError('CONFIG_INVALID', 'mcp-addr is not set');
  const { port, text } = address;
  if (address.anyHost) return { host: guarded ? '::' : '127.0.0.1', port, text };
  if (!guarded && !isLoopbackAddress(address.host)) {
    throw new LitestreamError('CONFIG_INVALID', `mcp-addr ${text} can be reached from other machines, but no token is configured`, {
      hint: 'Set mcp.token or mcp.token-file, or listen on 127.0.0.1.',
    });
  }
  return { host: address.host.replace(/^\[(.*)\]$/, '$1'), port, text };
}

/** Binds and returns `http://HOST:PORT`. Throws ADDRESS_IN_USE or CONFIG_INVALID. */
export async function startListening(app: FastifyInstance, target: ListenTarget): Promise<string> {
  try {
    await listen(app, target);
  } catch (cause) {
    await app.close();
    throw bindError(target, cause as NodeJS.ErrnoException);
  }
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string')
    throw new LitestreamError('INTERNAL', `the MCP listener on ${target.text} has no address`);
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `http://${host}:${bound.port}`;
}

async function listen(app: FastifyInstance, { host, port }: ListenTarget): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    // All interfaces means both families; where there is no IPv6 it means the other one.
    if (host !== '::' || (error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error;
    await app.listen({ host: '0.0.0.0', port });
  }
}

function bindError({ text }: ListenTarget, cause: NodeJS.ErrnoException): LitestreamError {
  if (cause.code === 'EADDRINUSE') {
    return new LitestreamError('ADDRESS_IN_USE', `cannot listen for MCP on ${text}: another program listens there`, {
      cause,
      hint: 'Stop the other program, or choose another mcp-addr.',
    });
  }
  return new LitestreamError('CONFIG_INVALID', `cannot listen for MCP on ${text} (${cause.code ?? cause.message})`, {
    cause,
    hint: 'Correct mcp-addr.',
  });
}
