import { describe, expect, test } from 'vitest';
import { lineages, snapshots } from '../../../src/engine/restore/lineages.ts';
import { planRestore } from '../../../src/engine/restore/plan.ts';
import { coverage, restorablePoints } from '../../../src/engine/restore/points.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { randomFrom } from '../../support/random.ts';
import { info, randomListing } from './listing.ts';

describe('restorable points', () => {
  test('have the earliest time, the lowest level and the distance from the one before', () => {
    const files = [info(9, 1, 3, { at: 9999 }), info(2, 1, 3, { at: 3000 }), info(0, 4, 4), info(1, 5, 8), info(9, 1, 4, { at: 9000 })];
    expect(restorablePoints(files)).toEqual([
      { txid: 3n, time: 3000, level: 2, width: 3n },
      { txid: 4n, time: 4000, level: 0, width: 1n },
      { txid: 8n, time: 8000, level: 1, width: 4n },
    ]);
  });

  test('are exactly the TXIDs a plan can be made for', () => {
    const random = randomFrom(7);
    for (let round = 0; round < 300; round++) {
      const files = randomListing(random);
      const points = restorablePoints(files).map((point) => point.txid);
      for (let id = 1; id <= 11; id++) {
        let planned = true;
        try {
          planRestore(files, { type: 'txid', txid: toTXID(id) });
        } catch {
          planned = false;
        }
        expect(planned, `round ${round} TXID ${id}`).toBe(points.includes(toTXID(id)));
      }
    }
  });
});

describe('coverage', () => {
  test('knows gaps and since when nothing is merged', () => {
    const files = [info(1, 1, 4), info(0, 5, 5), info(0, 6, 6), info(0, 9, 9)];
    expect(coverage(files)).toEqual({
      oldest: { txid: 4n, time: 4000, level: 1, width: 4n },
      newest: { txid: 6n, time: 6000, level: 0, width: 1n },
      gaps: [{ first: 7n, last: 8n, after: 6000, before: 9000 }],
      fineSince: 4000,
    });
  });

  test('is fine from the start when every transaction is there', () => {
    expect(coverage([info(0, 1, 1), info(0, 2, 2)]).fineSince).toBe(1000);
  });

  test('of a replica without a beginning is a gap from TXID 1', () => {
    expect(coverage([info(0, 3, 3)])).toEqual({ gaps: [{ first: 1n, last: 2n, before: 3000 }] });
    expect(coverage([])).toEqual({ gaps: [] });
  });
});

describe('lineages', () => {
  test('are the uninterrupted runs; only the one from TXID 1 is restorable', () => {
    const files = [info(9, 1, 3), info(0, 3, 3), info(0, 4, 4), info(0, 7, 7), info(0, 8, 8)];
    expect(lineages(files)).toEqual([
      { id: 'ltx', restorable: true, minTXID: 1n, maxTXID: 4n, start: 3000, end: 4000, files: 3, bytes: 3000, snapshots: 1 },
      {
        id: 'ltx@0000000000000007',
        restorable: false,
        minTXID: 7n,
        maxTXID: 8n,
        start: 7000,
        end: 8000,
        files: 2,
        bytes: 2000,
        snapshots: 0,
      },
    ]);
  });

  test('the end of the restorable run can be restored, whatever overlaps in it', () => {
    const random = randomFrom(11);
    for (let round = 0; round < 300; round++) {
      const files = randomListing(random);
      const run = lineages(files).find((lineage) => lineage.restorable);
      expect(restorablePoints(files).at(-1)?.txid, `round ${round}`).toBe(run?.maxTXID);
    }
  });
});

describe('snapshots', () => {
  test('are all of level 9 and the newest start of any other level', () => {
    const files = [info(0, 1, 1), info(9, 1, 3), info(3, 1, 6), info(2, 1, 5), info(9, 1, 8), info(0, 9, 9)];
    expect(snapshots(files).map((file) => `${file.level}:${file.maxTXID}`)).toEqual(['9:3', '3:6', '9:8']);
  });
});
