/** The listener of `addr`: metrics and health, nothing that changes anything. */

import Fastify, { type FastifyInstance } from 'fastify';
import type { Health } from '../service/health.ts';
import { listen } from './listen.ts';
import type { ListenAddress } from './options.ts';
import { sendParts } from './send-parts.ts';

export interface MetricsSource {
  readonly contentType: string;
  /** The exposition in parts, each of which stands until the next one is asked for. */
  render(): Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>>;
  health(): Promise<Health>;
  ready(): Promise<boolean>;
}

export interface Listening {
  /** Host and port really bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** Routes only, for in-memory tests. */
export function buildMetricsServer(source: MetricsSource): FastifyInstance {
  const server = Fastify({ forceCloseConnections: true });
  server.get('/metrics', async ({ method }, reply) => {
    const parts = await source.render();
    reply.hijack();
    await sendParts(reply.raw, source.contentType, method === 'HEAD' ? [] : parts);
  });
  server.get('/livez', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const ready = await source.ready();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'starting' });
  });
  server.get('/healthz', async (_request, reply) => {
    const health = await source.health();
    return reply.code(health.status === 'ok' ? 200 : 503).send(health);
  });
  // What went wrong inside is for the log of this process, not for whoever asked.
  server.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    return reply.code(status).send({ error: status < 500 ? 'the request cannot be understood' : 'the answer could not be made' });
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `no such path: ${request.url.split('?')[0]}`, paths: ['/metrics', '/livez', '/readyz', '/healthz'] }),
  );
  return server;
}

/** Binds `address`. Throws ADDRESS_IN_USE or ACCESS_DENIED, naming the configuration key. */
export async function startMetricsServer(address: ListenAddress, source: MetricsSource): Promise<Listening> {
  const server = buildMetricsServer(source);
  const bound = await listen(server, address, 'addr');
  return { address: bound, close: () => server.close() };
}
