import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { listCatalogue } from '../../../src/engine/restore/catalogue.ts';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { planRestore } from '../../../src/engine/restore/plan.ts';
import { restorablePoints } from '../../../src/engine/restore/points.ts';
import type { RestoreProgress } from '../../../src/engine/restore/progress.ts';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { between, randomFrom } from '../../support/random.ts';
import { encode, NaiveDatabase, store } from './ltx-files.ts';
import { copyToMemory, leftovers, openFileReplica, restore, temporaryDirectory } from './setting.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);

/** A small replica: TXIDs 1 to 4 at level 0, 5 to 6 merged at level 1. */
function smallReplica(pageSize = 512) {
  const root = join(temporaryDirectory(), 'replica');
  const database = new NaiveDatabase(pageSize, randomFrom(5));
  for (let txid = 1; txid <= 6; txid++) database.step(20);
  for (let txid = 1; txid <= 4; txid++)
    store(root, 0, txid, txid, encode(pageSize, txid, txid, database.range(txid, txid), txid * 1000), txid * 1000);
  store(root, 1, 5, 6, encode(pageSize, 5, 6, database.range(5, 6), 6000), 6000);
  const output = join(dirname(root), 'out.db');
  return { root, database, output };
}

describe('random chains', () => {
  for (const pageSize of [512, 1024, 4096, 65536]) {
    test(`every restorable TXID gives exactly its state, page size ${pageSize} (seed ${seed})`, async () => {
      const random = randomFrom(seed + pageSize);
      const rounds = pageSize > 4096 ? 3 : 8;
      for (let round = 0; round < rounds; round++) {
        const root = join(temporaryDirectory(), 'replica');
        const database = new NaiveDatabase(pageSize, random);
        const last = between(random, 1, 14);
        for (let txid = 1; txid <= last; txid++) database.step(pageSize > 4096 ? 12 : 60);
        const put = (level: number, min: number, max: number) =>
          store(root, level, min, max, encode(pageSize, min, max, database.range(min, max), max * 1000), max * 1000);
        for (let txid = 1; txid <= last; txid++) if (txid === 1 || random() < 0.7) put(0, txid, txid);
        for (let extra = 0; extra < 8; extra++) {
          const min = between(random, 1, last);
          put(between(random, 1, 8), min, between(random, min, last));
        }
        for (let extra = 0; extra < 2; extra++) put(9, 1, between(random, 1, last));
        const local = await openFileReplica(root);
        const remote = await copyToMemory(local);
        for (const { txid } of restorablePoints(await listCatalogue(local))) {
          for (const source of [local, remote]) {
            const output = join(temporaryDirectory(), 'out.db');
            const result = await restore(source, { output, target: { type: 'txid', txid } });
            const expected = database.file(Number(txid));
            expect(readFileSync(output).equals(expected), `seed ${seed} round ${round} TXID ${txid}`).toBe(true);
            expect(result.checksum).toBe(rollingChecksum(expected, pageSize));
            expect(result).toMatchObject({ txid, pageSize, sizeBytes: expected.length, pages: expected.length / pageSize });
          }
        }
      }
    });
  }
});

describe('what is read', () => {
  test('files older than one that has every page are not read', async () => {
    const { root, output, database } = smallReplica();
    const state = database.states[6];
    if (state === undefined) throw new Error('no state');
    const full = { commit: state.commit, pages: state.pages };
    store(root, 0, 7, 7, encode(512, 7, 7, full, 7000), 7000);
    const result = await restore(await openFileReplica(root), { output });
    expect(result).toMatchObject({ txid: 7n, filesRead: 1 });
    expect(readFileSync(output).equals(database.file(6))).toBe(true);
  });

  test('pages that were truncated away are not brought back by an older file', async () => {
    const root = join(temporaryDirectory(), 'replica');
    const page = (fill: number) => new Uint8Array(512).fill(fill);
    const pages = (...entries: [number, number][]) => new Map(entries.map(([pgno, fill]) => [pgno, page(fill)]));
    store(root, 0, 1, 1, encode(512, 1, 1, { commit: 3, pages: pages([1, 1], [2, 1], [3, 1]) }, 1), 1);
    store(root, 0, 2, 2, encode(512, 2, 2, { commit: 1, pages: pages([1, 2]) }, 2), 2);
    store(root, 0, 3, 3, encode(512, 3, 3, { commit: 3, pages: pages([1, 3], [3, 3]) }, 3), 3);
    const output = join(dirname(root), 'out.db');
    const failure = restore(await openFileReplica(root), { output });
    await expect(failure).rejects.toMatchObject({ code: 'PAGE_MISSING', details: { page: 2, pages: 3 } });
    expect(readdirSync(dirname(root))).toEqual(['replica']);
  });

  test('H10: a mix of page sizes is refused where pages of both would be needed', async () => {
    const { root, output } = smallReplica();
    store(root, 0, 7, 7, encode(1024, 7, 7, { commit: 2, pages: new Map([[1, new Uint8Array(1024)]]) }, 7000), 7000);
    await expect(restore(await openFileReplica(root), { output })).rejects.toMatchObject({
      code: 'LTX_INVALID',
      message: /512 bytes.*1024/,
    });
  });

  test('a file whose name tells another range than its header is refused', async () => {
    const { root, output, database } = smallReplica();
    store(root, 0, 7, 7, encode(512, 8, 8, database.range(6, 6), 8000), 7000);
    await expect(restore(await openFileReplica(root), { output })).rejects.toMatchObject({ code: 'LTX_INVALID' });
  });

  test('a planned file that vanished is replaced by a new plan (row 67)', async () => {
    const { root, database, output } = smallReplica();
    const replica = await openFileReplica(root);
    const plan = planRestore(await listCatalogue(replica), { type: 'txid', txid: toTXID(4) });
    store(root, 1, 1, 4, encode(512, 1, 4, database.range(1, 4), 4000), 4000);
    for (const txid of [1, 2, 3, 4]) rmSync(join(root, 'ltx', '0', `${`${txid}`.padStart(16, '0')}-${`${txid}`.padStart(16, '0')}.ltx`));
    const result = await restore(replica, { output, plan, target: { type: 'txid', txid: toTXID(4) } });
    expect(result).toMatchObject({ replanned: true, txid: 4n, filesRead: 1 });
    expect(readFileSync(output).equals(database.file(4))).toBe(true);
  });

  test('a plan for the newest state keeps to its TXID when the replica has moved on', async () => {
    const { root, database, output } = smallReplica();
    const replica = await openFileReplica(root);
    const plan = planRestore(await listCatalogue(replica), { type: 'latest' });
    database.step(20);
    store(root, 2, 1, 6, encode(512, 1, 6, database.range(1, 6), 6000), 6000);
    store(root, 0, 7, 7, encode(512, 7, 7, database.range(7, 7), 7000), 7000);
    rmSync(join(root, 'ltx', '1'), { recursive: true });
    const result = await restore(replica, { output, plan });
    expect(result).toMatchObject({ replanned: true, txid: 6n });
    expect(readFileSync(output).equals(database.file(6))).toBe(true);
  });

  test('files that keep vanishing end the restore', async () => {
    const { root, output } = smallReplica();
    const replica = await openFileReplica(root);
    const listing = await listCatalogue(replica);
    const source = {
      list: async function* () {
        yield* listing;
      },
      open: () => Promise.reject(new LitestreamError('OBJECT_NOT_FOUND', 'gone')),
      contentSize: async () => 0,
    };
    await expect(restore(source, { output })).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    expect(leftovers(dirname(output))).toEqual([]);
  });
});

describe('the output', () => {
  test('is readable by its owner only and has no side files (row 4)', async () => {
    const { root, output } = smallReplica();
    await restore(await openFileReplica(root), { output });
    expect(statSync(output).mode & 0o777).toBe(0o600);
    expect(statSync(output).nlink).toBe(1);
    expect(readdirSync(dirname(output)).sort()).toEqual(['out.db', 'replica']);
  });

  test('may lie in directories that do not exist yet', async () => {
    const { root, database } = smallReplica();
    const output = join(dirname(root), 'a', 'b', 'out.db');
    await restore(await openFileReplica(root), { output });
    expect(readFileSync(output).equals(database.file(6))).toBe(true);
  });

  test.each(['', '-wal', '-shm', '-journal'])('is refused while %s exists, even as a dangling link', async (suffix) => {
    const { root, output } = smallReplica();
    const replica = await openFileReplica(root);
    writeFileSync(output + suffix, '');
    await expect(restore(replica, { output })).rejects.toMatchObject({ code: 'OUTPUT_EXISTS', details: { path: output + suffix } });
    unlinkSync(output + suffix);
    symlinkSync('/nowhere/at/all', output + suffix);
    await expect(restore(replica, { output })).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(leftovers(dirname(output))).toEqual([]);
  });

  test('is refused when it is a directory, with and without force', async () => {
    const { root, output } = smallReplica();
    mkdirSync(output);
    for (const force of [false, true]) {
      await expect(restore(await openFileReplica(root), { output, force })).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    }
  });

  test('is not overwritten when it appears while the restore runs', async () => {
    const { root, output } = smallReplica();
    const checkIntegrity = async () => {
      writeFileSync(output, 'somebody else');
      return undefined;
    };
    const failure = restore(await openFileReplica(root), { output, integrity: 'quick' }, { checkIntegrity });
    await expect(failure).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(readFileSync(output, 'utf8')).toBe('somebody else');
    expect(leftovers(dirname(output))).toEqual([]);
  });

  test('is no copy that follows a replica: its cursor beside it has to go first', async () => {
    const { root, output, database } = smallReplica();
    const replica = await openFileReplica(root);
    writeFileSync(output, 'a copy');
    writeFileSync(`${output}-txid`, '0000000000000003\n');
    const refused = { code: 'OUTPUT_IN_USE', details: { path: `${output}-txid` }, hint: expect.stringContaining(`remove ${output}-txid`) };
    await expect(restore(replica, { output, force: true })).rejects.toMatchObject(refused);
    expect(readFileSync(output, 'utf8')).toBe('a copy');
    rmSync(`${output}-txid`);
    await restore(replica, { output, force: true });
    expect(readFileSync(output).equals(database.file(6))).toBe(true);
  });

  test('does not appear when the check of the result fails (row 60)', async () => {
    const { root, output } = smallReplica();
    const checkIntegrity = () => Promise.reject(new LitestreamError('INTEGRITY_FAILED', 'bad'));
    const failure = restore(await openFileReplica(root), { output, integrity: 'full' }, { checkIntegrity });
    await expect(failure).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    expect(readdirSync(dirname(output))).toEqual(['replica']);
  });
});

describe('force', () => {
  function withOld() {
    const setting = smallReplica();
    writeFileSync(setting.output, 'old database');
    writeFileSync(`${setting.output}-wal`, 'old wal');
    chmodSync(setting.output, 0o640);
    return setting;
  }

  test('keeps what stood there, with its side files, and gives the new file its mode', async () => {
    const { root, database, output } = withOld();
    const result = await restore(await openFileReplica(root), { output, force: true });
    expect(result.replacedPath).toMatch(/out\.db\.replaced-\d{8}T\d{6}Z$/);
    expect(readFileSync(`${result.replacedPath}`, 'utf8')).toBe('old database');
    expect(readFileSync(`${result.replacedPath}-wal`, 'utf8')).toBe('old wal');
    expect(readFileSync(output).equals(database.file(6))).toBe(true);
    expect(statSync(output).mode & 0o777).toBe(0o640);
    expect(readdirSync(dirname(output))).toHaveLength(4);
  });

  test('twice in a second keeps both', async () => {
    const { root, output } = withOld();
    const replica = await openFileReplica(root);
    const first = await restore(replica, { output, force: true });
    const second = await restore(replica, { output, force: true });
    expect(second.replacedPath).not.toBe(first.replacedPath);
    expect(readFileSync(`${first.replacedPath}`, 'utf8')).toBe('old database');
  });

  test('without anything there is a plain restore', async () => {
    const { root, output } = smallReplica();
    expect((await restore(await openFileReplica(root), { output, force: true })).replacedPath).toBeUndefined();
  });

  test('leaves everything alone while the target is in use, before and after the work', async () => {
    const { root, output } = withOld();
    const replica = await openFileReplica(root);
    for (const failingCall of [1, 2]) {
      let calls = 0;
      const assertUnused = () => {
        if (++calls === failingCall) throw new LitestreamError('OUTPUT_IN_USE', 'in use');
      };
      await expect(restore(replica, { output, force: true }, { guard: { assertUnused } })).rejects.toMatchObject({ code: 'OUTPUT_IN_USE' });
      expect(readFileSync(output, 'utf8')).toBe('old database');
      expect(readdirSync(dirname(output)).sort()).toEqual(['out.db', 'out.db-wal', 'replica']);
    }
  });
});

describe('a quota', () => {
  test('that leaves room for the result only is enough, and without that too the restore fails as full', async () => {
    for (const fits of [true, false]) {
      const { root, database, output } = smallReplica();
      const created: number[] = [];
      let refused = 0;
      const disk: RestoreDisk = {
        ...nodeDisk,
        create: (path) => {
          const fd = nodeDisk.create(path);
          created.push(fd);
          return fd;
        },
        write: (fd, bytes, position) => {
          if (!fits || fd !== created[0]) {
            refused++;
            throw Object.assign(new Error('write: quota exceeded'), { code: 'EDQUOT' });
          }
          nodeDisk.write(fd, bytes, position);
        },
      };
      const done = restore(await openFileReplica(root), { output }, { disk });
      if (fits) {
        expect(await done).toMatchObject({ replanned: false });
        expect(readFileSync(output).equals(database.file(6))).toBe(true);
      } else {
        await expect(done).rejects.toMatchObject({ code: 'DISK_FULL' });
      }
      expect(refused).toBe(fits ? 1 : 2);
      expect(leftovers(dirname(output))).toEqual([]);
    }
  });
});

describe('progress and cancellation', () => {
  test('goes through its phases and ends at the total', async () => {
    const { root, output } = smallReplica();
    const seen: RestoreProgress[] = [];
    const result = await restore(
      await openFileReplica(root),
      { output, integrity: 'quick' },
      // Reports of one phase are bound to time, which stands still.
      { clock: new FakeClock(), onProgress: (progress) => void seen.push(progress) },
    );
    expect(seen.map((progress) => progress.phase)).toEqual(['fetch', 'write', 'check']);
    expect(seen.at(-1)).toMatchObject({ bytesRead: result.bytesRead, pagesWritten: result.pages, pagesTotal: result.pages });
  });

  test('an aborted restore rejects with the reason and leaves nothing', async () => {
    const { root, output } = smallReplica();
    const replica = await copyToMemory(await openFileReplica(root));
    const abort = new AbortController();
    const reason = new Error('enough');
    const onProgress = () => abort.abort(reason);
    await expect(restore(replica, { output }, { signal: abort.signal, onProgress })).rejects.toBe(reason);
    expect(readdirSync(dirname(output))).toEqual(['replica']);
  });
});

/** The oracle of the result's checksum: per page over its number and bytes, joined by XOR. */
function rollingChecksum(file: Uint8Array, pageSize: number): string {
  const kernel = Kernel.create();
  const flag = 1n << 63n;
  let sum = flag;
  for (let pgno = 1; pgno <= file.length / pageSize; pgno++) {
    if (pgno === lockPage(pageSize)) continue;
    const numbered = Buffer.alloc(4 + pageSize);
    numbered.writeUInt32BE(pgno);
    numbered.set(file.subarray((pgno - 1) * pageSize, pgno * pageSize), 4);
    sum = (sum ^ kernel.crc64Bytes(0n, numbered)) | flag;
  }
  return sum.toString(16).padStart(16, '0');
}
