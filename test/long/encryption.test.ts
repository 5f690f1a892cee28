/** Large files of an encrypted replica: in bounded memory, at a speed that is printed. */

import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sealFile } from '../../src/engine/upload/seal-job.ts';
import { LTXDecoder } from '../../src/formats/ltx/decoder.ts';
import { LTXEncoder } from '../../src/formats/ltx/encoder.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { listLevel } from '../../src/replica/list-level.ts';
import { openReplica } from '../../src/replica/open.ts';
import { readRemoteIndex, readRemotePage } from '../../src/replica/pages.ts';
import { fileBody } from '../../src/storage/body.ts';
import { LiveBuffers } from '../support/live-memory.ts';
import { header } from '../support/ltx-files.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const MIB = 1024 * 1024;
const PAGES = 65_536;
const AT = 1_767_225_600_123;

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(() => directory.remove());

/** 256 MiB that cannot be compressed. */
async function largeFile(path: string): Promise<number> {
  const handle = await open(path, 'w');
  const chunks: Buffer[] = [];
  const noise = randomBytes(4 * MIB);
  using encoder = new LTXEncoder((chunk) => chunks.push(Buffer.from(chunk)), header(1, 1, PAGES, { timestamp: AT, pageSize: 4096 }));
  for (let pgno = 1; pgno <= PAGES; pgno++) {
    encoder.writePage(pgno, (into) => {
      into.set(noise.subarray((pgno * 1031) % (3 * MIB), ((pgno * 1031) % (3 * MIB)) + 4096));
      into[0] = pgno & 255;
    });
    if (chunks.length > 64) await handle.writeFile(Buffer.concat(chunks.splice(0)));
  }
  encoder.finish();
  await handle.writeFile(Buffer.concat(chunks));
  const { size } = await handle.stat();
  await handle.close();
  return size;
}

const megabytes = (bytes: number, ms: number): string => `${Math.round(bytes / 1e6 / (ms / 1000))} MB/s`;

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

test('256 MiB are sent, read back and looked into without being held in memory', { timeout: 300_000 }, async () => {
  const identity = await generateX25519Identity();
  const encryption = { recipients: [await identityToRecipient(identity)], identities: [identity] };
  const path = join(directory.path, 'large.ltx');
  const size = await largeFile(path);
  expect(size).toBeGreaterThan(250 * MIB);
  const root = join(directory.path, 'replica');
  const memory = new LiveBuffers();
  const sealing = {
    directory: join(directory.path, 'sealed'),
    sealFile: async (request: Parameters<typeof sealFile>[0]) => {
      const result = await sealFile(request);
      memory.look();
      return result;
    },
  };
  const replica = await openReplica({ type: 'file', path: root, encryption }, { sealing });
  const sent = await timed(async () => {
    await replica.write(9, toTXID(1), toTXID(1), fileBody(path, size), { createdAt: AT });
  });
  memory.look();
  const [file] = await listLevel(replica, 9);
  if (file === undefined) throw new Error('it is not there');

  using decoder = new LTXDecoder(() => {});
  let pieces = 0;
  const read = await timed(async () => {
    for await (const chunk of (await replica.open(file)).body) {
      decoder.push(chunk);
      if (++pieces % 512 === 0) memory.look();
    }
  });
  expect(decoder.end().header.commit).toBe(PAGES);
  memory.look();

  const index = await readRemoteIndex(replica, file);
  let entries = 0;
  for (const entry of index.entries())
    if (entries++ % 16_000 === 0) expect((await readRemotePage(replica, index, entry)).length).toBe(4096);
  expect(entries).toBe(PAGES);
  memory.look();
  expect(memory.most).toBeLessThan(24 * MIB);

  const plain = await openReplica({ type: 'file', path: join(directory.path, 'plain') });
  const plainSent = await timed(async () => {
    await plain.write(9, toTXID(1), toTXID(1), fileBody(path, size), { createdAt: AT });
  });
  const [other] = await listLevel(plain, 9);
  using second = new LTXDecoder(() => {});
  const plainRead = await timed(async () => {
    for await (const chunk of (await plain.open(other ?? file)).body) second.push(chunk);
  });
  console.log(
    `encrypted: sent ${megabytes(size, sent)}, read and verified ${megabytes(size, read)}; ` +
      `plain: sent ${megabytes(size, plainSent)}, read and verified ${megabytes(size, plainRead)}`,
  );
  await replica.close();
  await plain.close();
});
