/** Which files another replica could give to one that has damaged ones or holes. Pure over listings. */

import { type TXID, toTXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, fileKey, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { buildChains, chainFiles } from '../restore/chains.ts';

export interface Listed {
  readonly name: string;
  readonly files: readonly FileInfo[];
}

/** Transactions, both ends included. */
export interface TXIDSpan {
  readonly first: TXID;
  readonly last: TXID;
}

/** A damaged file and who lists the same one, in the order given. */
export interface Replacement {
  /** As a donor lists it: the damaged one may have lost its size. */
  readonly file: FileInfo;
  readonly donors: readonly string[];
}

/** A hole, and for each donor that can lead over it the cheapest files, oldest first. */
export interface Fill {
  readonly hole: TXIDSpan;
  readonly ways: readonly { readonly donor: string; readonly files: readonly FileInfo[] }[];
}

export interface RepairPlan {
  readonly replacements: readonly Replacement[];
  readonly fills: readonly Fill[];
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
  const replacements: Replacement[] = [];
  const irreplaceable: FileInfo[] = [];
  for (const file of damaged) {
    const holders = donors.flatMap((donor) => donor.files.filter((one) => fileKey(one) === fileKey(file)).map((copy) => ({ donor, copy })));
    const [first] = holders;
    if (first === undefined) irreplaceable.push(file);
    else replacements.push({ file: first.copy, donors: holders.map(({ donor }) => donor.name) });
  }
  const top = files.reduce<TXID>((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), 0n as TXID);
  const whole = files.filter((file) => !bad.has(fileKey(file)) && file.size >= MIN_FILE_SIZE);
  const lost: TXIDSpan[] = [];
  const fills: Fill[] = [];
  for (const hole of holesOf([...whole, ...replacements.map(({ file }) => file)], top)) {
    const ways = donors.flatMap((donor) => {
      const given = coverHole(hole, top, donor.files);
      return given === undefined ? [] : [{ donor: donor.name, files: given }];
    });
    if (ways.length === 0) lost.push(hole);
    else fills.push({ hole, ways });
  }
  return { replacements, fills, lost, irreplaceable };
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

/** The cheapest of `files` that lead over a hole; undefined when none do. */
function coverHole({ first, last }: TXIDSpan, top: TXID, files: readonly FileInfo[]): FileInfo[] | undefined {
  const useful = files.filter(({ maxTXID, size }) => maxTXID >= first && maxTXID <= top && size >= MIN_FILE_SIZE);
  // Chains begin at 1: the hole is moved there.
  const moved = new Map(
    useful.map((file) => {
      const minTXID = file.minTXID < first ? 1n : file.minTXID - first + 1n;
      return [{ ...file, minTXID: minTXID as TXID, maxTXID: (file.maxTXID - first + 1n) as TXID }, file] as const;
    }),
  );
  const ends = buildChains(moved.keys()).filter(({ txid }) => txid >= last - first + 1n);
  const best = ends.reduce<(typeof ends)[number] | undefined>((a, b) => (a === undefined || b.cost < a.cost ? b : a), undefined);
  return best && chainFiles(best).flatMap((file) => moved.get(file) ?? []);
}

const before = (txid: TXID): TXID => (txid - 1n) as TXID;
