/** An object of 64 MiB, sent and fetched while the memory it takes is watched; the same promise for every store of parts. */

import { expect } from 'vitest';
import { bytesBody } from '../../src/storage/body.ts';
import type { ObjectStore, PutBody } from '../../src/storage/object-store.ts';
import { LiveBuffers } from '../support/live-memory.ts';

const CHUNK = 256 * 1024;
const CHUNKS = 256;
const EVERY = 16;

/** Of a size that is not announced. Its bytes tell where they stand; the buffer is one and the same, as that of a source that reuses it. */
function largeBody(memory: LiveBuffers): PutBody {
  return {
    async *open() {
      const chunk = Buffer.alloc(CHUNK);
      for (let i = 0; i < CHUNKS; i++) {
        chunk.fill(i);
        if (i % EVERY === 0) memory.look();
        yield chunk;
      }
    },
  };
}

/** @param heldAtMost bytes of buffers */
export async function largeObjectPasses(store: ObjectStore, heldAtMost: number): Promise<void> {
  const sending = new LiveBuffers();
  const info = await store.put('large', largeBody(sending), { ifAbsent: true, createdAt: 1_767_225_600_123 });
  expect(info.size).toBe(CHUNK * CHUNKS);
  expect(sending.most, 'held while sending').toBeLessThan(heldAtMost);
  expect(await store.stat('large')).toEqual(info);

  const fetching = new LiveBuffers();
  const opened = await store.open('large');
  let at = 0;
  let looks = 0;
  for await (const bytes of opened.body) {
    for (const end = at + bytes.byteLength, start = at; at < end; at = Math.min(end, (Math.floor(at / CHUNK) + 1) * CHUNK)) {
      if (bytes[at - start] !== Math.floor(at / CHUNK) % 256) throw new Error(`wrong byte at ${at}`);
    }
    if (at > looks * EVERY * CHUNK) {
      fetching.look();
      looks += 1;
    }
  }
  expect(at).toBe(CHUNK * CHUNKS);
  expect(fetching.most, 'held while fetching').toBeLessThan(heldAtMost);
  await store.delete(['large']);
}

/** Objects that are written in parts appear under their condition or not at all. */
export async function conditionsHoldForParts(store: ObjectStore): Promise<void> {
  const body = (byte: number): PutBody => bytesBody(Buffer.alloc(9 * 1024 * 1024, byte));
  const first = await store.put('parts', body(1), { ifAbsent: true });
  await expect(store.put('parts', body(2), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  const second = await store.put('parts', body(3), { ifMatch: first.tag ?? '' });
  await expect(store.put('parts', body(4), { ifMatch: first.tag ?? '' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  await expect(store.put('none', body(5), { ifMatch: first.tag ?? '' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  expect((await store.stat('parts')).tag).toBe(second.tag);
  const opened = await store.open('parts');
  for await (const bytes of opened.body) if (!bytes.every((byte) => byte === 3)) throw new Error('bytes of a version that lost');
  const racing = [6, 7, 8].map((byte) => store.put('race', body(byte), { ifAbsent: true }).then(() => byte));
  const winners = (await Promise.allSettled(racing)).flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(winners).toHaveLength(1);
  const raced = await store.open('race');
  for await (const bytes of raced.body)
    if (!bytes.every((byte) => byte === winners[0])) throw new Error('bytes of two writers in one object');
}
