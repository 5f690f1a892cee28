import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { existsAtAll, SIDE_SUFFIXES, type TargetGuard } from '../../../src/engine/restore/output.ts';
import { sweepRestores } from '../../../src/engine/restore/produce.ts';
import { listReplaced, removeReplaced } from '../../../src/engine/restore/replaced.ts';
import { type UndoRequest, undoRestore } from '../../../src/engine/restore/undo.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { abandon, brokenDisk } from './broken-disk.ts';
import { leftovers, temporaryDirectory } from './setting.ts';

const NOW = Date.UTC(2026, 2, 1, 12, 0, 0);
const STAMP = '20260301T120000Z';

/** The files of a database, each with its own words. */
function put(path: string, word: string, suffixes: readonly string[] = SIDE_SUFFIXES): void {
  for (const suffix of suffixes) writeFileSync(path + suffix, `${word}${suffix}`);
}

/** What stands at a path: the words of each of its files. */
const filesOf = (path: string): string[] =>
  SIDE_SUFFIXES.filter((suffix) => existsAtAll(path + suffix)).map((suffix) => readFileSync(path + suffix, 'utf8'));

const all = (word: string): string[] => SIDE_SUFFIXES.map((suffix) => word + suffix);

function undo(request: UndoRequest, disk: RestoreDisk = nodeDisk, guard: TargetGuard = { assertUnused: () => {} }) {
  return undoRestore(request, { disk, clock: new FakeClock(NOW), guard, signal: new AbortController().signal });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof LitestreamError) return error.code;
  throw new Error(`expected an error of ours, not ${String(error)}`);
}

describe('undoing a forced restore', () => {
  test('brings the newest kept database back with its side files, and keeps what stood there', async () => {
    const output = join(temporaryDirectory(), 'app.db');
    put(output, 'restored', ['']);
    put(`${output}.replaced-20260227T000000Z`, 'older');
    put(`${output}.replaced-20260228T000000Z`, 'first');
    put(`${output}.replaced-20260228T000000Z-2`, 'mine');
    writeFileSync(`${output}.replaced-by-hand`, 'not one of ours');
    const result = await undo({ output });
    expect(result).toMatchObject({ from: `${output}.replaced-20260228T000000Z-2`, replacedPath: `${output}.replaced-${STAMP}` });
    expect(result.replacedAt).toBe(Date.UTC(2026, 1, 28));
    expect(filesOf(output)).toEqual(all('mine'));
    expect(filesOf(`${output}.replaced-${STAMP}`)).toEqual(['restored']);
    expect(filesOf(`${output}.replaced-20260228T000000Z-2`)).toEqual([]);
    expect(leftovers(dirname(output))).toEqual([]);
    // Undoing it again takes it back.
    expect(await undo({ output })).toMatchObject({ from: `${output}.replaced-${STAMP}`, replacedPath: `${output}.replaced-${STAMP}-2` });
    expect(filesOf(output)).toEqual(['restored']);
    expect(filesOf(`${output}.replaced-${STAMP}-2`)).toEqual(all('mine'));
  });

  test('works where nothing stands at the output, and moves stray side files out of the way', async () => {
    const output = join(temporaryDirectory(), 'app.db');
    put(`${output}.replaced-20260228T000000Z`, 'mine', ['', '-wal']);
    writeFileSync(`${output}-shm`, 'stray');
    const { replacedPath } = await undo({ output });
    expect(filesOf(output)).toEqual(['mine', 'mine-wal']);
    expect(readFileSync(`${replacedPath ?? ''}-shm`, 'utf8')).toBe('stray');
  });

  test('changes nothing in a dry run', async () => {
    const output = join(temporaryDirectory(), 'app.db');
    put(output, 'restored');
    put(`${output}.replaced-20260228T000000Z`, 'mine');
    const before = readdirSync(dirname(output));
    const result = await undo({ output, dryRun: true });
    expect(result).toMatchObject({ from: `${output}.replaced-20260228T000000Z`, sizeBytes: 4 });
    expect(result.replacedPath).toBeUndefined();
    expect(readdirSync(dirname(output))).toEqual(before);
    expect(filesOf(output)).toEqual(all('restored'));
  });

  test('without a kept file, or with a link in its place, there is nothing to undo', async () => {
    const output = join(temporaryDirectory(), 'app.db');
    put(output, 'restored');
    expect(await codeOf(undo({ output }))).toBe('NOTHING_TO_UNDO');
    symlinkSync(output, `${output}.replaced-20260228T000000Z`);
    put(`${output}.replaced-20260228T000001Z`, 'side', ['-wal']);
    expect(await codeOf(undo({ output }))).toBe('NOTHING_TO_UNDO');
    expect(filesOf(output)).toEqual(all('restored'));
  });

  test('refuses while either of the two is in use', async () => {
    const output = join(temporaryDirectory(), 'app.db');
    const kept = `${output}.replaced-20260228T000000Z`;
    put(output, 'restored');
    put(kept, 'mine');
    for (const used of [output, kept]) {
      const assertUnused = (path: string) => {
        if (path === used) throw new LitestreamError('OUTPUT_IN_USE', 'in use');
      };
      expect(await codeOf(undo({ output }, nodeDisk, { assertUnused }))).toBe('OUTPUT_IN_USE');
      expect(filesOf(output)).toEqual(all('restored'));
    }
  });
});

describe('an undo that is cut at any step', () => {
  test.each(['crash', 'failure'] as const)(
    '(%s) leaves one of the two whole at the output after the next sweep, and the other whole beside it',
    async (kind) => {
      for (const suffixes of [SIDE_SUFFIXES, ['', '-wal'], ['']] as const) {
        let ended = false;
        for (let step = 0; !ended; step++) {
          const output = join(temporaryDirectory(), 'app.db');
          put(output, 'restored', suffixes);
          put(`${output}.replaced-20260228T000000Z`, 'mine', suffixes);
          const { disk, steps } = brokenDisk(step, kind);
          // Where only the removal of the private directory was cut it resolves.
          await undo({ output }, disk).catch(() => {});
          ended = steps() <= step;
          abandon(dirname(output));
          sweepRestores(nodeDisk, dirname(output));
          const where = `${kind} at step ${step} with ${suffixes.length} files`;
          const words = (word: string): string[] => suffixes.map((suffix) => word + suffix);
          const standing = filesOf(output);
          expect([words('restored'), words('mine')], where).toContainEqual(standing);
          const isBack = standing[0] === 'mine';
          const other = isBack ? `${output}.replaced-${STAMP}` : `${output}.replaced-20260228T000000Z`;
          expect(filesOf(other), where).toEqual(words(isBack ? 'restored' : 'mine'));
          expect(leftovers(dirname(output)), where).toEqual([]);
          expect(readdirSync(dirname(output)), where).toHaveLength(2 * suffixes.length);
        }
      }
    },
  );
});

test('a kept database is listed newest first and removed with its side files', () => {
  const output = join(temporaryDirectory(), 'app.db');
  put(`${output}.replaced-20260228T000000Z`, 'first');
  put(`${output}.replaced-20260228T000000Z-10`, 'tenth', ['']);
  put(`${output}.replaced-20260228T000000Z-2`, 'second', ['']);
  put(`${output}2.replaced-20260301T000000Z`, 'of another', ['']);
  const listed = listReplaced(output);
  expect(listed.map(({ path }) => path.slice(output.length))).toEqual([
    '.replaced-20260228T000000Z-10',
    '.replaced-20260228T000000Z-2',
    '.replaced-20260228T000000Z',
  ]);
  for (const file of listed) removeReplaced(nodeDisk, file);
  expect(readdirSync(dirname(output))).toEqual([`app.db2.replaced-20260301T000000Z`]);
  expect(listReplaced(join(temporaryDirectory(), 'none', 'app.db'))).toEqual([]);
  expect(existsSync(output)).toBe(false);
});
