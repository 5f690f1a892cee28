import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { existsAtAll } from '../../../src/engine/restore/output.ts';
import { sweepRestores } from '../../../src/engine/restore/restore.ts';
import { randomFrom } from '../../support/random.ts';
import { encode, NaiveDatabase, store } from './ltx-files.ts';
import { openFileReplica, restore, temporaryDirectory } from './setting.ts';

class Cut extends Error {}

/** A disk that stops working before its n-th step and does nothing any more: what a crash leaves. */
function cutDisk(steps: number): { readonly disk: RestoreDisk; readonly log: string[] } {
  const log: string[] = [];
  const disk = Object.fromEntries(
    Object.entries(nodeDisk).map(([name, work]) => [
      name,
      (...args: never[]) => {
        if (log.length >= steps) {
          if (name === 'close') (work as (...values: never[]) => unknown)(...args);
          throw new Cut(`cut before ${name}`);
        }
        log.push(name);
        return (work as (...values: never[]) => unknown)(...args);
      },
    ]),
  ) as unknown as RestoreDisk;
  return { disk, log };
}

/** A disk whose n-th step fails, while everything after it works: an error instead of a crash. */
function failingDisk(step: number): { readonly disk: RestoreDisk; readonly log: string[] } {
  const log: string[] = [];
  const disk = Object.fromEntries(
    Object.entries(nodeDisk).map(([name, work]) => [
      name,
      (...args: never[]) => {
        log.push(name);
        if (log.length === step + 1 && name !== 'close') throw new Cut(`step ${step}, ${name}, fails`);
        return (work as (...values: never[]) => unknown)(...args);
      },
    ]),
  ) as unknown as RestoreDisk;
  return { disk, log };
}

function setting() {
  const directory = temporaryDirectory();
  const root = join(directory, 'replica');
  const database = new NaiveDatabase(512, randomFrom(3));
  for (let txid = 1; txid <= 4; txid++) {
    database.step(12);
    store(root, 0, txid, txid, encode(512, txid, txid, database.range(txid, txid), txid), txid);
  }
  const output = join(directory, 'out.db');
  return { root, output, expected: database.file(4) };
}

/** What the process would find after its death: its own directories count as abandoned. */
function sweepAfterDeath(output: string): void {
  const prefix = `.out.db.restoring-`;
  for (const name of readdirSync(dirname(output))) {
    if (!name.startsWith(prefix)) continue;
    const dead = name.replace(/restoring-\d+-\d+-/, 'restoring-2147483646-1-');
    nodeDisk.rename(join(dirname(output), name), join(dirname(output), dead));
  }
  sweepRestores(nodeDisk, dirname(output));
}

async function countSteps(force: boolean): Promise<number> {
  const { root, output } = setting();
  if (force) writeOld(output);
  const { disk, log } = cutDisk(Infinity);
  await restore(await openFileReplica(root), { output, force }, { disk });
  // Pages are put off and fetched again.
  expect(log.slice(0, 5)).toEqual(['makeDirectory', 'create', 'create', 'unlink', 'write']);
  expect(log).toContain('read');
  return log.length;
}

const OLD = { '': 'old database', '-wal': 'old wal', '-shm': 'old shm' } as const;

function writeOld(output: string): void {
  for (const [suffix, text] of Object.entries(OLD)) writeFileSync(output + suffix, text);
}

const isOld = (path: string) =>
  Object.entries(OLD).every(([suffix, text]) => existsSync(path + suffix) && readFileSync(path + suffix, 'utf8') === text);

describe('a restore that is cut at any step', () => {
  test('leaves no output or the complete one, and the sweep removes the rest (row 58)', async () => {
    const steps = await countSteps(false);
    expect(steps).toBeGreaterThan(10);
    for (let step = 0; step < steps; step++) {
      const { root, output, expected } = setting();
      const { disk, log } = cutDisk(step);
      // Steps after the publication may be cut without harm to the result: only then it resolves.
      await restore(await openFileReplica(root), { output }, { disk }).catch((error: unknown) =>
        expect(chain(error)).toContain('cut before'),
      );
      if (existsAtAll(output)) expect(readFileSync(output).equals(expected), `cut after ${log.join(' ')}`).toBe(true);
      sweepAfterDeath(output);
      const left = readdirSync(dirname(output)).filter((name) => name !== 'out.db');
      expect(left, `cut after ${log.join(' ')}`).toEqual(['replica']);
      if (existsAtAll(output)) expect(readFileSync(output).equals(expected)).toBe(true);
    }
  });

  test('with force the old database or the new one is whole at every step, and after the sweep one of them has its name', async () => {
    const steps = await countSteps(true);
    const seen = new Set<string>();
    for (let step = 0; step < steps; step++) {
      const { root, output, expected } = setting();
      writeOld(output);
      const { disk, log } = cutDisk(step);
      await restore(await openFileReplica(root), { output, force: true }, { disk }).catch(() => {});
      const hint = `cut after ${log.join(' ')}`;
      if (existsAtAll(output)) expect(isOld(output) || readFileSync(output).equals(expected), hint).toBe(true);
      sweepAfterDeath(output);
      const names = readdirSync(dirname(output));
      const kept = names.find((name) => /replaced-\d{8}T\d{6}Z$/.test(name));
      if (readFileSync(output).equals(expected)) {
        seen.add('new');
        expect(isOld(join(dirname(output), `${kept}`)), hint).toBe(true);
        expect(existsAtAll(`${output}-wal`), hint).toBe(false);
      } else {
        seen.add('old');
        expect(isOld(output), hint).toBe(true);
        expect(kept, hint).toBeUndefined();
      }
      expect(
        names.filter((name) => name.includes('.restoring-')),
        hint,
      ).toEqual([]);
    }
    expect([...seen].sort()).toEqual(['new', 'old']);
  });
});

describe('a restore in which any one step fails', () => {
  test('leaves nothing behind, or a result that it reports', async () => {
    const steps = await countSteps(false);
    for (let step = 0; step < steps; step++) {
      const { root, output, expected } = setting();
      const { disk, log } = failingDisk(step);
      await restore(await openFileReplica(root), { output }, { disk }).catch((error: unknown) => expect(chain(error)).toContain('fails'));
      if (existsAtAll(output)) expect(readFileSync(output).equals(expected), log.join(' ')).toBe(true);
      const left = readdirSync(dirname(output)).filter((name) => name !== 'out.db' && name !== 'replica');
      if (log[step] !== 'removeTree') expect(left, log.join(' ')).toEqual([]);
    }
  });

  test('with force puts the old database back', async () => {
    const steps = await countSteps(true);
    for (let step = 0; step < steps; step++) {
      const { root, output, expected } = setting();
      writeOld(output);
      const { disk, log } = failingDisk(step);
      const done = await restore(await openFileReplica(root), { output, force: true }, { disk }).then(
        () => true,
        () => false,
      );
      const isNew = readFileSync(output).equals(expected);
      expect(isNew || isOld(output), log.join(' ')).toBe(true);
      if (done) expect(isNew, log.join(' ')).toBe(true);
    }
  });
});

function chain(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.cause === undefined ? '' : chain(error.cause)}` : String(error);
}
