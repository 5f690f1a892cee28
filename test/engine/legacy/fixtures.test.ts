import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { type LegacyTarget, planLegacy } from '../../../src/engine/legacy/plan.ts';
import type { LegacyRestoreResult } from '../../../src/engine/legacy/restore.ts';
import { listLegacy } from '../../../src/replica/legacy/listing.ts';
import { openReplica } from '../../../src/replica/open.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import {
  LEGACY_IDENTITY_FILE,
  type LegacyExpected,
  legacyExpectations,
  legacyIdentity,
  unpackLegacy,
} from '../../support/legacy-fixture.ts';
import { leftovers, temporaryDirectory } from '../restore/setting.ts';

/** The dump is only compared where the sqlite3 command is installed; everything else is compared everywhere. */
const HAS_CLI = spawnSync('sqlite3', ['-version']).status === 0;
if (!HAS_CLI) console.log('sqlite3 is not installed: dumps are not compared with those of the original');

async function restoreTo(path: string, target: LegacyTarget, identities: readonly string[] = []): Promise<LegacyRestoreResult> {
  const store = { type: 'file', path } as const;
  const replica = await openReplica(store);
  const plan = planLegacy(await listLegacy(replica.store, replica.prefix), target);
  await replica.close();
  const output = join(temporaryDirectory(), 'out.db');
  return runJobHere('restoreLegacy', { store, plan, output, integrity: 'full', identities });
}

const targetOf = ({ at }: LegacyExpected): LegacyTarget =>
  at === 'latest' ? { type: 'latest' } : { type: 'timestamp', timestamp: Date.parse(at) };

/** What the original's own restore gave, read the same way. */
function fingerprint(path: string, sql: string): string {
  const db = new Database(path);
  try {
    return (db.prepare(sql).raw().get() as unknown[]).join('|');
  } finally {
    db.close();
  }
}

function dumpSum(path: string): string {
  return createHash('sha256')
    .update(spawnSync('sqlite3', [path, '.dump'], { maxBuffer: 64 * 1024 * 1024 }).stdout)
    .digest('hex');
}

describe('a replica written by version 0.3.13', () => {
  test('restores at every recorded time to what the original restored', async () => {
    const replica = unpackLegacy('plain', temporaryDirectory());
    for (const expected of legacyExpectations('plain')) {
      const result = await restoreTo(replica, targetOf(expected));
      expect(readdirSync(join(result.output, '..')), expected.at).toEqual(['out.db']);
      expect(leftovers(join(result.output, '..'))).toEqual([]);
      if (HAS_CLI) expect(dumpSum(result.output), expected.at).toBe(expected.dump);
      expect(fingerprint(result.output, 'SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(id), 0) FROM t'), expected.at).toBe(
        expected.counts,
      );
    }
  });

  test('encrypted with age, restores with its identity, inline or from the file', async () => {
    const replica = unpackLegacy('age', temporaryDirectory());
    for (const expected of legacyExpectations('age')) {
      for (const identity of [LEGACY_IDENTITY_FILE, legacyIdentity()]) {
        const { output } = await restoreTo(replica, targetOf(expected), [identity]);
        if (HAS_CLI) expect(dumpSum(output)).toBe(expected.dump);
        expect(fingerprint(output, 'SELECT count(*) FROM notes')).toBe(expected.counts);
      }
    }
  });
});
