import { describe, expect, test } from 'vitest';
import { planMerges } from '../../../src/engine/compaction/merge-plan.ts';
import { type Protections, planRetention, type RetentionFacts, UNPROTECTED } from '../../../src/engine/compaction/retention-plan.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import { Random } from '../../support/random.ts';
import { info, randomListing } from '../restore/listing.ts';
import { largest, reachable } from './reach.ts';

const LEVELS = [{ level: 1, intervalMs: 30_000 }] as const;
const SETTINGS: RetentionFacts['settings'] = { levels: LEVELS, snapshotRetentionMs: 10_000, level0RetentionMs: 5_000, deletes: true };

const words = (files: readonly FileInfo[]): string => files.map((file) => `${file.level}:${file.minTXID}-${file.maxTXID}`).join(' ');

function doomed(
  scope: RetentionFacts['scope'],
  now: number,
  files: readonly FileInfo[],
  more: Partial<RetentionFacts['settings'] & Protections> = {},
): string {
  const { txids, heldUpTo, ...settings } = more;
  const protections = { txids: txids ?? [], heldUpTo: heldUpTo ?? UNPROTECTED.heldUpTo };
  return words(planRetention({ files, settings: { ...SETTINGS, ...settings }, now, protections, scope }).doomed);
}

// Times are a thousand times maxTXID unless said otherwise.
const raw = (from: number, to: number): FileInfo[] => Array.from({ length: to - from + 1 }, (_, at) => info(0, from + at, from + at));

describe('level 0', () => {
  test('goes when level 1 covers it and it is old enough, never the newest', () => {
    expect(doomed('level 0', 90_000, [...raw(1, 6), info(1, 1, 6)])).toBe('0:1-1 0:2-2 0:3-3 0:4-4 0:5-5');
    expect(doomed('level 0', 90_000, [...raw(1, 6), info(1, 1, 3)])).toBe('0:1-1 0:2-2 0:3-3');
    expect(doomed('level 0', 90_000, raw(1, 6))).toBe('');
  });

  test('goes as far as a file of level 1 ends, so that the younger files are still of use', () => {
    const files = [...raw(1, 6), info(1, 1, 2), info(1, 3, 6)];
    expect(doomed('level 0', 9_001, files)).toBe('0:1-1 0:2-2');
    expect(doomed('level 0', 10_999, files)).toBe('0:1-1 0:2-2');
    expect(doomed('level 0', 11_001, files)).toBe('0:1-1 0:2-2 0:3-3 0:4-4 0:5-5');
  });

  test('stays where level 1 has a hole', () => {
    expect(doomed('level 0', 90_000, [...raw(1, 6), info(1, 1, 2), info(1, 5, 6)])).toBe('0:1-1 0:2-2 0:5-5');
  });

  test('stays with a retention of 0, without levels, and without deletes (row 87)', () => {
    const files = [...raw(1, 6), info(1, 1, 6)];
    expect(doomed('level 0', 90_000, files, { level0RetentionMs: 0 })).toBe('');
    expect(doomed('level 0', 90_000, files, { levels: [] })).toBe('');
    expect(doomed('level 0', 90_000, files, { deletes: false })).toBe('');
  });

  test('is walked upward, so that a clock that was ahead keeps what follows, and one that was behind makes nothing old', () => {
    const ahead = [info(0, 1, 1), info(0, 2, 2, { at: 1e9 }), ...raw(3, 6), info(1, 1, 1), info(1, 2, 6)];
    expect(doomed('level 0', 90_000, ahead)).toBe('0:1-1');
    const behind = [info(0, 1, 1, { at: 89_000 }), info(0, 2, 2, { at: 5 }), info(0, 3, 3, { at: 89_001 }), info(1, 1, 3)];
    expect(doomed('level 0', 90_000, behind)).toBe('');
  });

  test('says when it will have something to do', () => {
    const facts = { settings: SETTINGS, protections: UNPROTECTED, scope: 'level 0' } as const;
    expect(planRetention({ ...facts, files: [...raw(1, 6), info(1, 1, 6)], now: 7_500 }).nextAt).toBe(8_000);
    expect(planRetention({ ...facts, files: [...raw(1, 6), info(1, 1, 6)], now: 90_000 }).nextAt).toBeUndefined();
    expect(planRetention({ ...facts, files: raw(1, 6), now: 90_000 }).nextAt).toBeUndefined();
  });
});

describe('snapshots and what lies below them', () => {
  const life = [...raw(7, 9), info(1, 1, 2), info(1, 3, 4), info(1, 5, 6), info(1, 7, 9), info(9, 1, 2), info(9, 1, 4), info(9, 1, 6)];

  test('a snapshot goes when its successor is older than the retention: until then moments inside it need it', () => {
    expect(doomed('snapshots', 14_000, life)).toBe('');
    expect(doomed('snapshots', 14_001, life)).toBe('9:1-2');
    expect(doomed('snapshots', 16_001, life)).toBe('1:1-2 9:1-2 9:1-4');
    expect(doomed('snapshots', 1e9, life)).toBe('1:1-2 9:1-2 9:1-4');
  });

  test('levels below go up to the newest snapshot that goes, so that a restore that began with it finds the rest', () => {
    const files = [info(1, 1, 1), info(1, 2, 3), info(1, 4, 4), info(1, 5, 6), info(9, 1, 2), info(9, 1, 4), info(9, 1, 6)];
    expect(doomed('snapshots', 1e9, files)).toBe('1:1-1 1:2-3 9:1-2 9:1-4');
  });

  test('the newest file of each level stays', () => {
    expect(doomed('snapshots', 1e9, [info(2, 1, 1), info(1, 1, 2), info(0, 3, 3), info(9, 1, 8), info(9, 1, 9)])).toBe('9:1-8');
  });

  test('level 0 below the floor goes too, but not where level 0 is never deleted', () => {
    const files = [...raw(1, 9), info(9, 1, 4), info(9, 1, 6)];
    expect(doomed('snapshots', 1e9, files)).toBe('0:1-1 0:2-2 0:3-3 9:1-4');
    expect(doomed('snapshots', 1e9, files, { levels: [] })).toBe('9:1-4');
    expect(doomed('snapshots', 1e9, files, { level0RetentionMs: 0 })).toBe('9:1-4');
    expect(doomed('snapshots', 1e9, files, { deletes: false })).toBe('');
  });

  test('a single snapshot stays however old, and files without a snapshot stay', () => {
    expect(doomed('snapshots', 1e12, [info(9, 1, 6), ...raw(7, 8)])).toBe('');
    expect(doomed('snapshots', 1e12, [info(1, 1, 6), ...raw(7, 8)])).toBe('');
  });

  test('a file too small to be a snapshot is no successor', () => {
    expect(doomed('snapshots', 1e12, [info(9, 1, 4), info(9, 1, 6, { size: 99 }), ...raw(5, 8)])).toBe('');
  });

  test('a snapshot dated in the future makes no other one old', () => {
    expect(doomed('snapshots', 20_000, [info(9, 1, 4), info(9, 1, 6, { at: 1e9 }), info(9, 1, 7)])).toBe('');
  });
});

describe('protections', () => {
  const files = [...raw(1, 9), info(1, 1, 4), info(1, 5, 9), info(9, 1, 2), info(9, 1, 4), info(9, 1, 6)];

  test('the chain of the newest proof stays, whatever its age', () => {
    expect(doomed('snapshots', 1e9, files, { txids: [toTXID(2)] })).toBe('0:1-1 0:2-2 0:3-3 9:1-4');
    expect(doomed('level 0', 1e9, files, { txids: [toTXID(6)] })).toBe(doomed('level 0', 1e9, files));
    expect(doomed('level 0', 1e9, files, { txids: [toTXID(7)] })).not.toContain('0:7-7');
  });

  test('a proven state that is gone already protects nothing', () => {
    expect(doomed('snapshots', 1e9, files, { txids: [toTXID(40)] })).toBe(doomed('snapshots', 1e9, files));
  });

  test('while a chain is held nothing that may belong to it goes (row 66)', () => {
    expect(doomed('level 0', 1e9, files, { heldUpTo: toTXID(6) })).toBe('0:7-7 0:8-8');
    expect(doomed('snapshots', 1e9, files, { heldUpTo: toTXID(9) })).toBe('');
  });
});

/** The life of a replica: files come, are merged, snapshots are taken, sometimes a file is lost, and the clock may be ahead for a while. */
function randomLife(random: Random): { readonly files: FileInfo[]; readonly now: number; readonly born: ReadonlyMap<bigint, number> } {
  let files: FileInfo[] = [];
  let now = 0;
  let ahead = 0;
  let time = 0;
  const born = new Map<bigint, number>();
  for (let txid = 1; txid <= random.between(3, 40); txid++) {
    now += random.between(1, 3000);
    if (random.chance(0.03)) ahead = random.chance(0.5) ? 0 : random.between(0, 100_000);
    // As the engine writes them.
    time = Math.max(time + 1, now + ahead);
    born.set(BigInt(txid), now);
    files.push(info(0, txid, txid, { at: time, size: random.between(100, 9000) }));
    for (const level of [1, 2, 3]) if (random.chance(0.5 / 2 ** level)) files.push(...merge(level, files, random));
    if (random.chance(0.1)) files.push(info(9, 1, txid, { at: Math.max(now + ahead, time), size: random.between(100, 900_000) }));
    if (random.chance(0.01)) files = files.filter(() => !random.chance(0.1));
  }
  return { files, now: now + random.between(0, 20_000), born };
}

function merge(level: number, files: readonly FileInfo[], random: Random): FileInfo[] {
  const own = files.filter((file) => file.level === level);
  const end = toTXID(largest(own.map(({ maxTXID }) => maxTXID)));
  const limits = { files: random.between(2, 9), bytes: 1e9 };
  const bridge = toTXID(largest(reachable(files.filter((file) => file.level >= level))));
  const { merges } = planMerges({ level: level as 1, end, sources: files.filter((file) => file.level === level - 1), bridge, limits });
  return merges.map(({ minTXID, maxTXID, inputs }) =>
    info(level, Number(minTXID), Number(maxTXID), { at: inputs.at(-1)?.createdAt ?? 0, size: random.between(100, 90_000) }),
  );
}

describe('random lives', () => {
  const seed = Date.now() % 2 ** 31;

  test('what is promised can be restored after every single deletion', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    let deletions = 0;
    for (let run = 0; run < 1500; run++) {
      const { files, now, born } = randomLife(random);
      const before = reachable(files);
      const settings = { ...SETTINGS, level0RetentionMs: random.between(1, 30_000), snapshotRetentionMs: random.between(1, 60_000) };
      const txids = random.chance(0.3) ? [toTXID(random.between(1, 40))] : [];
      const heldUpTo = toTXID(random.chance(0.1) ? random.between(1, 40) : 0);
      const scope = random.pick(['level 0', 'snapshots'] as const);
      const plan = planRetention({ files, settings, now, scope, protections: { txids, heldUpTo } });
      const promised = promises(files, before, { scope, now, settings, txids, born });
      for (let count = 1; count <= plan.doomed.length; count++) {
        deletions += 1;
        const gone = new Set(plan.doomed.slice(0, count));
        const after = reachable(files.filter((file) => !gone.has(file)));
        expect(largest(after)).toBe(largest(before));
        expect(promised.filter((txid) => !after.has(txid))).toEqual([]);
      }
      expect(plan.doomed.every((file) => file.maxTXID > heldUpTo)).toBe(true);
    }
    expect(deletions).toBeGreaterThan(1000);
  });

  test('listings of any kind are never refused, and their newest state stays', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let run = 0; run < 5000; run++) {
      const files = randomListing(random.next);
      const scope = random.pick(['level 0', 'snapshots'] as const);
      const now = random.between(0, 60_000);
      const plan = planRetention({ files, settings: SETTINGS, now, scope, protections: UNPROTECTED });
      const gone = new Set(plan.doomed);
      expect(largest(reachable(files.filter((file) => !gone.has(file))))).toBe(largest(reachable(files)));
    }
  });
});

/** States that must survive: those of merged files within the retention, those of young level-0 files, and the protected ones. */
function promises(
  files: readonly FileInfo[],
  before: ReadonlySet<bigint>,
  {
    scope,
    now,
    settings,
    txids,
    born,
  }: { readonly txids: readonly bigint[]; readonly born: ReadonlyMap<bigint, number> } & Pick<RetentionFacts, 'scope' | 'now' | 'settings'>,
): bigint[] {
  const promised = files.filter((file) => {
    const age = now - (born.get(file.maxTXID) ?? 0);
    if (scope === 'level 0') return file.level > 0 || age <= settings.level0RetentionMs;
    return age <= settings.snapshotRetentionMs;
  });
  return [...promised.map(({ maxTXID }) => maxTXID), ...txids].filter((txid) => before.has(txid));
}
