/** Many databases whose uploads share a line that comes and goes. */

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Uploader } from '../../../src/engine/upload/uploader.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectInfo, PutBody, PutOptions } from '../../../src/storage/object-store.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { type ListOptions, WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { FakeClock, settleFiles } from '../../support/fake-clock.ts';
import { collect } from '../../support/live-memory.ts';
import { publishFile } from '../../support/local-files.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const MIB = 1024 * 1024;
const PAGES = 32;
const DATABASES = 20;
const FILES = 40;

/** Takes bytes in and forgets them. While it flaps, half of the calls fail, by seed: a listing at its end, a put before it begins or in the middle. */
class FlappingStore extends WrappedStore {
  readonly stored = new Map<string, number>();
  isFlapping = true;
  puts = 0;
  bytes = 0;
  readonly #random = new Random(81);

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    for (const [key, size] of this.stored) if (key.startsWith(prefix) && key > (options.after ?? '')) yield { key, size, createdAt: 0 };
    this.#flap();
  }

  override async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    this.puts += 1;
    if (this.puts % 4 === 0) this.#flap();
    let size = 0;
    for await (const chunk of body.open()) {
      size += chunk.length;
      if (this.puts % 4 !== 0) this.#flap();
    }
    this.stored.set(key, size);
    this.bytes += size;
    return { key, size, createdAt: options.createdAt ?? 0 };
  }

  #flap(): void {
    if (this.isFlapping && this.#random.chance(0.5)) throw new LitestreamError('STORAGE_UNAVAILABLE', 'the line has dropped');
  }
}

/** What is in use once nothing is left over, bytes. */
function inUse(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('half of the calls fail for a while: everything arrives, little is sent twice, and nothing is kept of it (row 81)', {
  timeout: 240_000,
}, async () => {
  const temp = await tempDirectory();
  const clock = new FakeClock(undefined, settleFiles);
  const store = new FlappingStore(new MemoryStore());
  const random = new Random(81);
  const uploaders: { readonly uploader: Uploader; readonly directory: string }[] = [];
  onTestFinished(async () => {
    await Promise.all(uploaders.map(({ uploader }) => uploader.close()));
    await temp.remove();
  });
  for (let at = 0; at < DATABASES; at++) {
    const directory = join(temp.path, `${at}`, 'ltx', '0');
    const uploader = new Uploader({
      settings: { name: 'file', store: { type: 'file', path: '/unused' }, syncIntervalMs: 1000, maxSyncFiles: 256 },
      replica: new Replica(new RetryStore(store, { clock }), pathLayout, `db-${at}`),
      directory,
      clock,
      log: silentLogger,
      onEvent: () => {},
    });
    uploaders.push({ uploader, directory });
    uploader.start();
  }

  /** A small transaction in each database, and time until all of them are there. */
  const round = async (txid: number): Promise<void> => {
    for (const { uploader, directory } of uploaders) {
      const pages = Array.from({ length: PAGES }, (_, i) => [i + 1, Uint8Array.from(random.bytes(4096))] as const);
      const bytes = encode(header(txid, txid, PAGES, { timestamp: clock.now(), pageSize: 4096 }), pages);
      uploader.notify(await publishFile(directory, { txid: toTXID(txid), size: bytes.length, at: clock.now(), bytes }));
    }
    for (let tries = 0; uploaders.some(({ uploader }) => uploader.position !== toTXID(txid)); tries++) {
      if (tries > 2000) throw new Error(`TXID ${txid} does not arrive everywhere`);
      await clock.advance(1000);
    }
  };

  for (let txid = 1; txid <= FILES / 2; txid++) await round(txid);
  const [before, sleeping, sent] = [inUse(), clock.sleeping, store.bytes];
  for (let txid = FILES / 2 + 1; txid <= FILES; txid++) await round(txid);
  expect(store.bytes - sent).toBeGreaterThan(24 * MIB);
  await expect.poll(() => inUse() - before).toBeLessThan(12 * MIB);
  expect(clock.sleeping).toBeLessThanOrEqual(Math.max(sleeping, DATABASES));
  expect(store.stored.size).toBe(DATABASES * FILES);
  expect(store.puts).toBeLessThan(DATABASES * FILES * 4);

  store.isFlapping = false;
  store.puts = 0;
  await round(FILES + 1);
  expect(store.puts).toBe(DATABASES);
  for (const { uploader } of uploaders) expect(uploader.status()).not.toHaveProperty('lastError');
});
