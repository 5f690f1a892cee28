import { expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import { until } from '../../support/fake-clock.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { testBucket } from './buckets.ts';

const COUNT = 400;
const GROUP = 40;

const lower = (n: number): string => `ltx/0/${String(n).padStart(4, '0')}`;
const upper = (group: number): string => `ltx/1/${String(group).padStart(4, '0')}`;

describeWith('nats', 'a listing while others write', () => {
  test(
    'what is deleted after its replacement was put is listed, or its replacement is, and nothing else is missing',
    async () => {
      const server = await service('nats');
      const bucket = await testBucket({ servers: server.url });
      const store = new NATSStore({ type: 'nats', servers: [server.url], bucket: bucket.name, path: '' });
      const other = new NATSStore({ type: 'nats', servers: [server.url], bucket: bucket.name, path: '' });
      try {
        await Promise.all(Array.from({ length: COUNT }, (_, n) => store.put(lower(n), bytesBody(Buffer.alloc(10)))));
        let isOver = false;
        let listings = 0;
        const moving = (async () => {
          for (let group = 0; group < COUNT / GROUP; group++) {
            // One listing has ended by then, and another one goes on.
            if (group === COUNT / GROUP / 2) await until(() => listings > 0, 'there is a listing');
            await other.put(upper(group), bytesBody(Buffer.alloc(10)));
            await other.delete(Array.from({ length: GROUP }, (_, n) => lower(group * GROUP + n)));
          }
          isOver = true;
        })();
        while (!isOver) {
          const keys = new Set<string>();
          for await (const { key } of store.list('ltx/')) keys.add(key);
          const missing = Array.from({ length: COUNT }, (_, n) => n).filter(
            (n) => !keys.has(lower(n)) && !keys.has(upper(Math.floor(n / GROUP))),
          );
          expect(missing, `listing ${++listings}`).toEqual([]);
        }
        await moving;
        expect(listings).toBeGreaterThan(1);
      } finally {
        await store.close();
        await other.close();
        await bucket.remove();
      }
    },
    SERVICE_START_MS + 120_000,
  );
});
