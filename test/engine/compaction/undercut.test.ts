/** Files that vanish under a restore or a verification, because they were merged and have outlived their use meanwhile (row 67). */

import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { RestoreSource } from '../../../src/engine/restore/source.ts';
import type { RestoreTarget } from '../../../src/engine/restore/target.ts';
import { verifyReplica } from '../../../src/engine/verify/verify.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { randomFrom } from '../../support/random.ts';
import { NaiveDatabase } from '../restore/ltx-files.ts';
import { restore } from '../restore/setting.ts';
import { Scene, timeOf } from './setting.ts';

async function scene(): Promise<{ readonly scene: Scene; readonly database: NaiveDatabase; readonly source: RestoreSource }> {
  const at = new Scene();
  const database = new NaiveDatabase(512, randomFrom(3));
  for (let txid = 1; txid <= 6; txid++) {
    database.step(12);
    await at.put(database, 0, txid);
  }
  let undercut: Promise<void> | undefined;
  const source: RestoreSource = {
    list: (level, options) => at.replica.list(level, options),
    contentSize: (file) => at.replica.contentSize(file),
    open: async (file, options) => {
      undercut ??= at.compact(1).then(async () => at.replica.delete((await at.list(0)).slice(0, -1)));
      await undercut;
      return at.replica.open(file, options);
    },
  };
  return { scene: at, database, source };
}

const TARGETS: readonly RestoreTarget[] = [
  { type: 'latest' },
  { type: 'txid', txid: toTXID(6) },
  { type: 'timestamp', timestamp: timeOf(6) + 500 },
];

test.each(TARGETS)('a restore to $type plans again and gives the same state', async (target) => {
  const { scene: at, database, source } = await scene();
  const output = join(mkdtempSync(join(at.directory, 'out-')), 'app.db');
  const result = await restore(source, { output, target });
  expect(result).toMatchObject({ txid: 6n, replanned: true });
  expect(readFileSync(output).equals(database.file(6))).toBe(true);
});

test('a restore to a moment that was merged away meanwhile is refused rather than answered with another state', async () => {
  const { scene: at, source } = await scene();
  const output = join(mkdtempSync(join(at.directory, 'out-')), 'app.db');
  await expect(restore(source, { output, target: { type: 'timestamp', timestamp: timeOf(4) + 500 } })).rejects.toMatchObject({
    code: 'TIME_OUT_OF_RANGE',
  });
});

test('a verification plans again, too', async () => {
  const { scene: at, source } = await scene();
  const result = await verifyReplica(
    { target: { type: 'latest' }, scratch: join(at.directory, 'verify'), integrity: 'quick' },
    { source, clock: systemClock, checkIntegrity: async () => {}, signal: new AbortController().signal },
  );
  expect(result.checks.find(({ name }) => name === 'checksums')).toMatchObject({ outcome: 'passed' });
  expect(result.txid).toBe(6n);
});
