/** A way to a server on which each connection carries so much and no more, as the way to a far service does. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `work` with an address that leads to `endpoint` (http) at `bytesPerSecond` a connection and direction. */
export async function overSlowLine<T>(endpoint: string, bytesPerSecond: number, work: (endpoint: string) => Promise<T>): Promise<T> {
  const { hostname, port } = new URL(endpoint);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const other = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const [from, to] of [
      [client, other],
      [other, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.once('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      void carry(from, to, bytesPerSecond).catch(() => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

async function carry(from: Socket, to: Socket, bytesPerSecond: number): Promise<void> {
  // When the line has carried everything so far, monotonic ms.
  let free = 0;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    free = Math.max(free, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
    const wait = free - performance.now();
    if (wait > 1) await sleep(wait);
    if (!to.write(chunk)) await once(to, 'drain');
  }
  to.end();
}
