/** Which files another replica could give to one that has damaged ones or holes. Pure over listings. */

import { type TXID, toTXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import { buildChains, chainFiles } from '../restore/chains.ts';
import { MIN_FILE_SIZE } from '../restore/plan.ts';
import { fileKey } from '../restore/shared-history.ts';

export interface Listed {
  readonly name: string;
  readonly files: readonly FileInfo[];
}

/** Transactions, both ends included. */
export interface TXIDSpan {
  readonly first: TXID;
  readonly last: TXID;
}

export interface RepairStep {
  /** To be written at the replica that is repaired. */
  readonly file: FileInfo;
  /** A damaged file of the same name stands there. */
  readonly replaces: boolean;
  /** Who lists it, in the order given. */
  readonly donors: readonly string[];
  /** The donor has to be at the same state here, before and behind what it gives. */
  readonly seams: readonly TXID[];
}

export interface RepairPlan {
  readonly steps: readonly RepairStep[];
  /** Transactions that no file leads over and nobody can give. */
  readonly lost: readonly TXIDSpan[];
  /** Damaged files that nobody has: passed over where other files cover them. */
  readonly irreplaceable: readonly FileInfo[];
}

/**
 * Nothing beyond the newest file of the replica is ever planned: that is for its uploads.
 * @param files everything it lists, damaged ones included.
 */
export function planRepair(files: readonly FileInfo[], damaged: readonly FileInfo[], donors: readonly Listed[]): RepairPlan {
  const bad = new Set(damaged.map(fileKey));
  const steps: RepairStep[] = [];
  const irreplaceable: FileInfo[] = [];
  for (const file of damaged) {
    const holders = holdersOf(file, donors);
    if (holders.length === 0) irreplaceable.push(file);
    else steps.push({ file: copyOf(file, donors), replaces: true, donors: holders, seams: seamsOf(file.minTXID, file.maxTXID) });
  }
  const top = files.reduce<TXID>((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), 0n as TXID);
  const whole = [...files.filter((file) => !bad.has(fileKey(file)) && file.size >= MIN_FILE_SIZE), ...steps.map(({ file }) => file)];
  const lost: TXIDSpan[] = [];
  for (const hole of holesOf(whole, top)) {
    const given = coverHole(hole, top, donors);
    if (given === undefined) lost.push(hole);
    const last = given?.at(-1)?.maxTXID ?? hole.last;
    for (const file of given ?? []) {
      const isFirst = file === given?.[0];
      const isLast = file === given?.at(-1);
      const seams = [...(isFirst ? [before(hole.first)] : []), ...(isLast ? [last] : [])];
      steps.push({ file, replaces: bad.has(fileKey(file)), donors: holdersOf(file, donors), seams });
    }
  }
  return { steps, lost, irreplaceable };
}

/** Transactions up to `top` that no file covers. */
export function holesOf(files: readonly FileInfo[], top: TXID): TXIDSpan[] {
  const holes: TXIDSpan[] = [];
  let end = 0n;
  for (const { minTXID, maxTXID } of [...files].sort((a, b) => (a.minTXID < b.minTXID ? -1 : 1))) {
    if (minTXID > end + 1n) holes.push({ first: toTXID(end + 1n), last: before(minTXID) });
    if (maxTXID > end) end = maxTXID;
  }
  if (end < top) holes.push({ first: toTXID(end + 1n), last: top });
  return holes;
}

/** The cheapest files that lead over a hole, of one donor where one has them all. */
function coverHole({ first, last }: TXIDSpan, top: TXID, donors: readonly Listed[]): FileInfo[] | undefined {
  for (const given of [...donors.map((donor) => [donor]), donors]) {
    const files = unique(given.flatMap(({ files: all }) => all)).filter(
      ({ maxTXID, size }) => maxTXID >= first && maxTXID <= top && size >= MIN_FILE_SIZE,
    );
    // Chains begin at 1: the hole is moved there.
    const moved = new Map(
      files.map((file) => {
        const minTXID = file.minTXID < first ? 1n : file.minTXID - first + 1n;
        return [{ ...file, minTXID: minTXID as TXID, maxTXID: (file.maxTXID - first + 1n) as TXID }, file] as const;
      }),
    );
    const ends = buildChains(moved.keys()).filter(({ txid }) => txid >= last - first + 1n);
    const best = ends.reduce<(typeof ends)[number] | undefined>((a, b) => (a === undefined || b.cost < a.cost ? b : a), undefined);
    if (best !== undefined) return chainFiles(best).flatMap((file) => moved.get(file) ?? []);
  }
  return undefined;
}

const holdersOf = (file: FileInfo, donors: readonly Listed[]): string[] =>
  donors.filter(({ files }) => files.some((one) => fileKey(one) === fileKey(file))).map(({ name }) => name);

/** As a donor lists it: a damaged file may have lost its size. */
const copyOf = (file: FileInfo, donors: readonly Listed[]): FileInfo =>
  donors.flatMap(({ files }) => files).find((one) => fileKey(one) === fileKey(file)) ?? file;

const unique = (files: readonly FileInfo[]): FileInfo[] => [...new Map(files.map((file) => [fileKey(file), file])).values()];

const before = (txid: TXID): TXID => (txid - 1n) as TXID;

const seamsOf = (first: TXID, last: TXID): TXID[] => [before(first), last];
