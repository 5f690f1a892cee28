import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { LitestreamError } from '../../../src/base/errors.ts';
import { type LegacyTarget, planLegacy } from '../../../src/engine/legacy/plan.ts';
import { type LegacyRestoreRequest, restoreLegacy } from '../../../src/engine/legacy/restore.ts';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { sweepRestores } from '../../../src/engine/restore/produce.ts';
import { listLegacy } from '../../../src/replica/legacy/listing.ts';
import { bytesBody, readAll } from '../../../src/storage/body.ts';
import { FileStore } from '../../../src/storage/file/file.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { LEGACY_IDENTITY_FILE, unpackLegacy } from '../../support/legacy-fixture.ts';
import {
  type LegacyHistory,
  legacyFrame,
  legacyPieceKey,
  makeLegacyHistory,
  putLegacyPiece,
  putLegacySnapshot,
} from '../../support/legacy-writer.ts';
import { abandon, brokenDisk } from '../restore/broken-disk.ts';
import { leftovers, temporaryDirectory } from '../restore/setting.ts';

const GENERATION = 'aaaaaaaaaaaaaaaa';
const SNAPSHOT_TIME = 1_000_000;

/** The snapshot of WAL 0 and all pieces, one second apart. */
async function storeOf({ images, pieces }: LegacyHistory): Promise<MemoryStore> {
  const store = new MemoryStore();
  await putLegacySnapshot(store, GENERATION, 0, images[0] ?? new Uint8Array(0), SNAPSHOT_TIME);
  for (const [at, piece] of pieces.entries()) await putLegacyPiece(store, GENERATION, piece, SNAPSHOT_TIME + (at + 1) * 1000);
  return store;
}

interface More extends Partial<LegacyRestoreRequest> {
  readonly target?: LegacyTarget;
  readonly disk?: RestoreDisk;
  readonly signal?: AbortSignal;
}

async function restore(store: ObjectStore, output: string, { target = { type: 'latest' }, disk = nodeDisk, signal, ...more }: More = {}) {
  const plan = planLegacy(await listLegacy(store, ''), target);
  return restoreLegacy(
    { plan, output, integrity: 'none', ...more },
    {
      source: store,
      disk,
      clock: systemClock,
      guard: { assertUnused: () => {} },
      checkIntegrity: async () => {},
      signal: signal ?? new AbortController().signal,
    },
  );
}

function rowsOf(path: string): number {
  const db = new Database(path);
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return (db.prepare('SELECT count(*) AS n FROM t').get() as { n: number }).n;
  } finally {
    db.close();
  }
}

async function refusal(work: Promise<unknown>): Promise<LitestreamError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof LitestreamError) return error;
  throw new Error(`expected an error of ours, not ${String(error)}`);
}

async function rewrite(store: ObjectStore, key: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const { createdAt } = await store.stat(key);
  await store.put(key, bytesBody(change(Uint8Array.from(await readAll(await store.open(key))))), { createdAt });
}

describe('restoring several WALs', () => {
  test.each([512, 4096, 65536])('gives the rows of every piece, VACUUMs included, with pages of %i bytes', async (pageSize) => {
    const history = makeLegacyHistory({ wals: 3, pieces: 3, pageSize });
    const store = await storeOf(history);
    for (const [at, piece] of history.pieces.entries()) {
      const output = join(temporaryDirectory(), 'out.db');
      const result = await restore(store, output, { target: { type: 'timestamp', timestamp: SNAPSHOT_TIME + (at + 1) * 1000 } });
      expect(result).toMatchObject({ pageSize, plan: { reached: { index: piece.index, offset: piece.offset } } });
      // One file and nothing beside it (v0.3 issue 529).
      expect(readdirSync(join(output, '..'))).toEqual(['out.db']);
      expect(readFileSync(output).subarray(18, 20)).toEqual(Buffer.from([2, 2]));
      expect(rowsOf(output)).toBe(piece.rows);
    }
  });

  test('the result is byte for byte what SQLite made of the same WALs (row 88)', async () => {
    const history = makeLegacyHistory({ wals: 4, pieces: 2 });
    const store = await storeOf(history);
    for (const [index, image] of history.images.entries()) {
      if (index === 0) continue;
      const output = join(temporaryDirectory(), 'out.db');
      await restore(store, output, { target: { type: 'index', index: index - 1 } });
      expect(readFileSync(output).equals(image), `before WAL ${index}`).toBe(true);
    }
  });

  test('a transaction without its end is left out', async () => {
    const history = makeLegacyHistory({ wals: 1, pieces: 2 });
    const [first, second] = history.pieces;
    if (first === undefined || second === undefined) throw new Error('two pieces were asked for');
    const frame = 4096 + 24;
    const store = await storeOf({
      ...history,
      pieces: [first, { ...second, bytes: second.bytes.subarray(0, second.bytes.length - frame) }],
    });
    const output = join(temporaryDirectory(), 'out.db');
    await restore(store, output);
    expect(rowsOf(output)).toBe(first.rows);
  });
});

describe('damage', () => {
  const history = makeLegacyHistory({ wals: 2, pieces: 3 });

  test('issues 1229 and 1230: a piece missing inside a WAL is named (row 61)', async () => {
    const store = await storeOf(history);
    const missing = history.pieces[1];
    if (missing === undefined) throw new Error('there are six pieces');
    await store.delete([legacyPieceKey(GENERATION, missing)]);
    const output = join(temporaryDirectory(), 'out.db');
    const error = await refusal(restore(store, output));
    expect(error).toMatchObject({
      code: 'LEGACY_INVALID',
      details: { missing: `00000000_${missing.offset.toString(16).padStart(8, '0')}` },
    });
    expect(existsSync(output)).toBe(false);
    expect(leftovers(join(output, '..'))).toEqual([]);
  });

  test('no flipped byte, cut or exchanged piece gives a database', async () => {
    const [first, second] = history.pieces;
    if (first === undefined || second === undefined) throw new Error('there are six pieces');
    const key = legacyPieceKey(GENERATION, second);
    const changes: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
      'a flipped byte of the stored file': (bytes) => bytes.map((byte, at) => (at === 5000 ? byte ^ 1 : byte)),
      'a flipped bit in a frame, in a sound LZ4 frame': () => legacyFrame(second.bytes.map((byte, at) => (at === 2000 ? byte ^ 1 : byte))),
      'a cut file': (bytes) => bytes.subarray(0, bytes.length - 7),
      'a cut frame, in a sound LZ4 frame': () => legacyFrame(second.bytes.subarray(0, second.bytes.length - 100)),
      'the bytes of another piece': () => legacyFrame(history.pieces[4]?.bytes ?? new Uint8Array(0)),
      'bytes behind the frame': (bytes) => Buffer.concat([bytes, Buffer.from([0])]),
      nothing: () => new Uint8Array(0),
      'an empty frame': () => legacyFrame(new Uint8Array(0)),
    };
    for (const [what, change] of Object.entries(changes)) {
      const store = await storeOf(history);
      await rewrite(store, key, change);
      const output = join(temporaryDirectory(), 'out.db');
      expect((await refusal(restore(store, output))).code, what).toBe('LEGACY_INVALID');
      expect(readdirSync(join(output, '..')), what).toEqual([]);
    }
  });

  test('a snapshot that is no database, or is cut, gives none', async () => {
    const image = history.images[0] ?? new Uint8Array(0);
    for (const content of [new Uint8Array(8192), image.subarray(0, image.length - 1), Buffer.from('SQLite')]) {
      const store = await storeOf({ ...history, images: [content] });
      expect((await refusal(restore(store, join(temporaryDirectory(), 'out.db')))).code).toBe('LEGACY_INVALID');
    }
  });
});

describe('what a restore of version 0.3 shares with every restore', () => {
  const history = makeLegacyHistory({ wals: 2, pieces: 2 });

  test('an existing output is refused, and kept where it is forced', async () => {
    const store = await storeOf(history);
    const output = join(temporaryDirectory(), 'out.db');
    writeFileSync(output, 'mine');
    expect((await refusal(restore(store, output))).code).toBe('OUTPUT_EXISTS');
    const { replacedPath } = await restore(store, output, { force: true });
    expect(readFileSync(replacedPath ?? '', 'utf8')).toBe('mine');
    expect(rowsOf(output)).toBe(history.pieces.at(-1)?.rows);
  });

  test('a step that fails at any place leaves nothing behind', async () => {
    const store = await storeOf(history);
    for (const operation of ['makeDirectory', 'create', 'write', 'read', 'truncate', 'sync', 'link', 'syncDirectory'] as const) {
      const directory = temporaryDirectory();
      const fail = () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      };
      const error = await refusal(restore(store, join(directory, 'out.db'), { disk: { ...nodeDisk, [operation]: fail } }));
      expect(error.code, operation).toBe('DISK_FULL');
      // A link whose directory could not be made durable may stay: it is whole.
      expect(readdirSync(directory), operation).toEqual(operation === 'syncDirectory' ? ['out.db'] : []);
    }
  });

  test.each(['crash', 'failure'] as const)('issue 1282: cut at any step (%s) there is no output or the whole one', async (kind) => {
    const store = await storeOf(makeLegacyHistory({ wals: 2, pieces: 1 }));
    for (let step = 0, ended = false; !ended; step++) {
      const directory = temporaryDirectory();
      const output = join(directory, 'out.db');
      const { disk, steps } = brokenDisk(step, kind);
      await restore(store, output, { disk }).catch(() => {});
      ended = steps() <= step;
      abandon(directory);
      sweepRestores(nodeDisk, directory);
      const left = readdirSync(directory);
      if (left.length > 0) expect(left, `step ${step}`).toEqual(['out.db']);
      if (left.length > 0) expect(rowsOf(output), `step ${step}`).toBe(10);
      if (ended) expect(left).toEqual(['out.db']);
    }
  });

  test('an abort ends it and leaves nothing', async () => {
    const store = await storeOf(history);
    const directory = temporaryDirectory();
    const reason = new Error('enough');
    await expect(restore(store, join(directory, 'out.db'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('age', () => {
  const encrypted = () => new FileStore({ type: 'file', path: unpackLegacy('age', temporaryDirectory()) });
  const other = 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX';

  test('without an identity, or with another, the error names the file and says what to add', async () => {
    const store = encrypted();
    const output = join(temporaryDirectory(), 'out.db');
    for (const identities of [[], [other]]) {
      const error = await refusal(restore(store, output, { identities }));
      expect(error.code).toBe('IDENTITY_REQUIRED');
      expect(error.message).toContain('00000000.snapshot.lz4');
      expect(error.hint).toContain('age.identities');
      expect(existsSync(output)).toBe(false);
    }
  });

  test('several identities are tried, as after a rotation', async () => {
    const output = join(temporaryDirectory(), 'out.db');
    await restore(encrypted(), output, { identities: [other, LEGACY_IDENTITY_FILE] });
    expect(existsSync(output)).toBe(true);
  });

  test('changed or cut ciphertext is an error', async () => {
    for (const change of [
      (bytes: Uint8Array) => bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)),
      (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 30),
      (bytes: Uint8Array) => bytes.subarray(0, 150),
    ]) {
      const store = encrypted();
      const [generation] = (await listLegacy(store, '')).generations;
      await rewrite(store, generation?.segments.at(-1)?.key ?? '', change);
      const error = await refusal(restore(store, join(temporaryDirectory(), 'out.db'), { identities: [LEGACY_IDENTITY_FILE] }));
      expect(error.code).toBe('LEGACY_INVALID');
    }
  });

  test('an identity that is none is never repeated', async () => {
    const error = await refusal(restore(encrypted(), join(temporaryDirectory(), 'out.db'), { identities: ['AGE-SECRET-KEY-1SECRETWORD'] }));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(JSON.stringify([error.message, error.hint, error.details, String(error.cause)])).not.toContain('SECRETWORD');
    const file = join(temporaryDirectory(), 'keys');
    writeFileSync(file, '# nothing\n');
    expect((await refusal(restore(encrypted(), join(temporaryDirectory(), 'out.db'), { identities: [file] }))).code).toBe('CONFIG_INVALID');
  });
});
