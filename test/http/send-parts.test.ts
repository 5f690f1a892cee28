import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { buildMetricsServer } from '../../src/http/metrics-server.ts';

const PART = 64 * 1024;

let server: FastifyInstance | undefined;
afterEach(() => server?.close());

/** Serves `parts` as metrics; returns the port. */
async function serve(render: () => Promise<AsyncIterable<Uint8Array>>): Promise<number> {
  server = buildMetricsServer({
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    render,
    health: async () => ({ status: 'ok', databases: [] }),
    ready: async () => true,
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  return (server.server.address() as AddressInfo).port;
}

/** Parts in one buffer that is used again, as the exposition does; counts those that were asked for. */
function partsOf(count: number) {
  const seen = { made: 0, isOver: false };
  const buffer = Buffer.alloc(PART);
  async function* make(): AsyncGenerator<Uint8Array> {
    try {
      for (; seen.made < count; seen.made++) {
        yield buffer.fill(65 + (seen.made % 26));
        buffer.fill(0); // nobody may read it any more
      }
    } finally {
      seen.isOver = true;
    }
  }
  return { seen, make };
}

test('the parts arrive whole and in order, though they share one buffer', async () => {
  const port = await serve(async () => partsOf(60).make());
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await answer.text();
  expect(text.length).toBe(60 * PART);
  for (let index = 0; index < 60; index++) {
    const letter = String.fromCharCode(65 + (index % 26));
    expect(text.slice(index * PART, (index + 1) * PART) === letter.repeat(PART), `part ${index}`).toBe(true);
  }
});

test('a reader that takes its time has no more made than the system holds, and holds nobody up', async () => {
  const slow = partsOf(2000);
  const sources = [slow, partsOf(3)];
  const port = await serve(async () => (sources.shift() ?? partsOf(0)).make());
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
  await expect.poll(() => slow.seen.made).toBeGreaterThan(0);
  const other = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect((await other.text()).length).toBe(3 * PART);
  await expect
    .poll(
      async () => {
        const before = slow.seen.made;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return slow.seen.made - before;
      },
      { interval: 0 },
    )
    .toBe(0);
  expect(slow.seen.made).toBeLessThan(1000);
  expect(slow.seen.isOver).toBe(false);
  socket.destroy();
  await expect.poll(() => slow.seen.isOver).toBe(true);
  expect(slow.seen.made).toBeLessThan(1000);
});

test('a part that cannot be made cuts the answer, which nobody takes for a whole one', async () => {
  const port = await serve(async () =>
    (async function* () {
      yield Buffer.from('half\n');
      throw new Error('s3cr3t');
    })(),
  );
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch((error: unknown) => error);
  if (answer instanceof Response) await expect(answer.text()).rejects.toThrow();
  else expect(answer).toBeInstanceOf(Error);
});

test('HEAD has the headers, and the connection is good for more', async () => {
  const source = partsOf(3);
  const port = await serve(async () => source.make());
  const head = await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(source.seen.made).toBe(0);
});

test('the answer to HTTP/1.0 ends with the connection', async () => {
  const port = await serve(async () => partsOf(2).make());
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /metrics HTTP/1.0\r\n\r\n');
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  await once(socket, 'end');
  expect(bytes).toBeGreaterThan(2 * PART);
  expect(bytes).toBeLessThan(2 * PART + 1000);
});
