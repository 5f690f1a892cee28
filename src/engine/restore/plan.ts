/** Chooses the files that rebuild a database at a target; pure over a listing (docs/engine.md, Restore plan). */

import { LitestreamError } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { byRange, describeFile, type FileInfo, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { buildChains, type ChainEnd, chainFiles, timesByTXID } from './chains.ts';
import { describeTarget, type RestoreTarget } from './target.ts';

/** A state and when it came to be (ms since the epoch). */
export interface Moment {
  readonly txid: TXID;
  readonly time: number;
}

/** How far before the asked instant the reached state lies, and why. */
export interface Shortfall {
  readonly ms: number;
  readonly cause: /** The next transaction is at or after the instant: nothing is left out. */
    | 'exact'
    /** The replica ends here: nothing happened since, or it did not arrive. */
    | 'end'
    /** Later transactions before the instant may be merged into a file that passes it. */
    | 'merged'
    /** Later files before the instant exist, but not the ones that lead to them. */
    | 'gap';
}

export interface RestorePlan {
  readonly target: RestoreTarget;
  /** Oldest first. The first has minTXID 1; each continues or overlaps the one before and ends after it. */
  readonly files: readonly FileInfo[];
  readonly reached: Moment;
  /** Present for a timestamp target. */
  readonly shortfall?: Shortfall;
  /** The next state that could be restored instead. */
  readonly nextPoint?: Moment;
  readonly totals: { readonly files: number /** To be read. */; readonly bytes: number };
}

/**
 * Plans a restore from the files of all levels of one replica, in any order.
 *
 * Among the chains to the furthest state the target allows, the one with the fewest bytes and files is chosen. The time of a state
 * is the earliest creation time of a file that ends there, so a snapshot made later does not move it.
 *
 * Throws NO_SNAPSHOT (details.files is 0 when the replica is empty), TX_NOT_AVAILABLE (details.before, details.after),
 * TIME_OUT_OF_RANGE (details.oldest, details.newest), LTX_GAP (details.restorable) and LTX_TRUNCATED for a target that only an
 * impossibly small file could reach.
 */
export function planRestore(listing: readonly FileInfo[], target: RestoreTarget): RestorePlan {
  const files = listing.filter((file) => file.size >= MIN_FILE_SIZE);
  const times = timesByTXID(files);
  const moments = new Moments(buildChains(files), times);
  const newest = moments.ends.at(-1);
  if (newest === undefined) throw noSnapshot(listing, files);
  switch (target.type) {
    case 'latest':
      return moments.plan(target, latestEnd(listing, newest, moments));
    case 'txid':
      return moments.plan(target, exactEnd(listing, target.txid, moments));
    case 'timestamp':
      return planTimestamp(files, target, moments);
  }
}

class Moments {
  readonly ends: readonly ChainEnd[];
  readonly #times: ReadonlyMap<TXID, number>;

  constructor(ends: readonly ChainEnd[], times: ReadonlyMap<TXID, number>) {
    this.ends = ends;
    this.#times = times;
  }

  at(end: ChainEnd): Moment {
    return { txid: end.txid, time: this.timeOf(end.last) };
  }

  timeOf(file: FileInfo): number {
    return this.#times.get(file.maxTXID) ?? file.createdAt;
  }

  before(txid: TXID): Moment | undefined {
    const end = this.ends.findLast((candidate) => candidate.txid < txid);
    return end && this.at(end);
  }

  after(txid: TXID): Moment | undefined {
    const end = this.ends.find((candidate) => candidate.txid > txid);
    return end && this.at(end);
  }

  plan(target: RestoreTarget, end: ChainEnd, shortfall?: Shortfall): RestorePlan {
    const files = chainFiles(end);
    const nextPoint = this.after(end.txid);
    return {
      target,
      files,
      reached: this.at(end),
      ...(shortfall === undefined ? {} : { shortfall }),
      ...(nextPoint === undefined ? {} : { nextPoint }),
      totals: { files: files.length, bytes: files.reduce((sum, file) => sum + file.size, 0) },
    };
  }
}

function latestEnd(listing: readonly FileInfo[], newest: ChainEnd, moments: Moments): ChainEnd {
  const beyond = listing.filter((file) => file.maxTXID > newest.txid).sort(byRange);
  const [first] = beyond;
  if (first === undefined) return newest;
  refuseSmall(beyond, newest.txid, describeTarget({ type: 'latest' }));
  const reached = moments.at(newest);
  throw new LitestreamError(
    'LTX_GAP',
    `planning a restore: transactions ${formatTXID((newest.txid + 1n) as TXID)} to ${formatTXID((first.minTXID - 1n) as TXID)} are missing from the replica`,
    {
      details: { restorable: momentData(reached), next_file: formatTXID(first.minTXID) },
      hint: `The newest state that can be restored is TXID ${formatTXID(reached.txid)} of ${isoTime(reached.time)}: ask for it by its TXID.`,
    },
  );
}

function exactEnd(listing: readonly FileInfo[], txid: TXID, moments: Moments): ChainEnd {
  const end = moments.ends.find((candidate) => candidate.txid === txid);
  if (end !== undefined) return end;
  const before = moments.before(txid);
  const after = moments.after(txid);
  refuseSmall(
    listing.filter((file) => file.maxTXID <= txid),
    before?.txid ?? (0n as TXID),
    describeTarget({ type: 'txid', txid }),
    txid,
  );
  const choices = [before, after].filter((moment) => moment !== undefined);
  throw new LitestreamError('TX_NOT_AVAILABLE', `planning a restore: TXID ${formatTXID(txid)} is not a state that can be restored`, {
    details: { before: before && momentData(before), after: after && momentData(after) },
    hint: `Restorable next to it: ${choices.map((moment) => `${formatTXID(moment.txid)} (${isoTime(moment.time)})`).join(' and ')}.`,
  });
}

function planTimestamp(files: readonly FileInfo[], target: RestoreTarget & { readonly type: 'timestamp' }, moments: Moments): RestorePlan {
  const isEarlier = (file: FileInfo) => moments.timeOf(file) < target.timestamp;
  const earlier = files.filter(isEarlier);
  const end = buildChains(earlier).at(-1);
  if (end === undefined) throw outOfRange(target.timestamp, moments);
  const cause = shortfallCause(files, earlier, end.txid);
  return moments.plan(target, end, { ms: target.timestamp - moments.at(end).time, cause });
}

function shortfallCause(files: readonly FileInfo[], earlier: readonly FileInfo[], reached: TXID): Shortfall['cause'] {
  if (earlier.some((file) => file.maxTXID > reached)) return 'gap';
  const beyond = files.filter((file) => file.maxTXID > reached);
  if (beyond.length === 0) return 'end';
  return beyond.some((file) => file.maxTXID === reached + 1n) ? 'exact' : 'merged';
}

/** A file too small to be one must not be skipped in silence when it stands between the target and what is reachable. */
function refuseSmall(beyond: readonly FileInfo[], reached: TXID, what: string, wanted?: TXID): void {
  const small = beyond.find(
    (file) => file.size < MIN_FILE_SIZE && file.maxTXID > reached && (wanted === undefined || file.maxTXID <= wanted),
  );
  if (small === undefined) return;
  throw new LitestreamError('LTX_TRUNCATED', `planning a restore to ${what}: ${describeFile(small)} is only ${small.size} bytes long`, {
    details: { level: small.level, min_txid: formatTXID(small.minTXID), max_txid: formatTXID(small.maxTXID), size: small.size },
    hint: 'The file was damaged or cut at the destination; restore to a state before it.',
  });
}

function noSnapshot(listing: readonly FileInfo[], files: readonly FileInfo[]): LitestreamError {
  if (listing.length === 0) {
    return new LitestreamError('NO_SNAPSHOT', 'planning a restore: the replica holds no files', {
      details: { files: 0 },
      hint: 'Check the replica path; nothing has been replicated there.',
    });
  }
  refuseSmall(
    listing.filter((file) => file.minTXID <= 1n),
    0n as TXID,
    'any state',
  );
  const small = listing.length - files.length;
  const oldest = [...files].sort(byRange)[0];
  return new LitestreamError('NO_SNAPSHOT', 'planning a restore: no file of the replica starts at the first transaction', {
    details: { files: listing.length, too_small: small, oldest: oldest && formatTXID(oldest.minTXID) },
    hint: 'Without a file that starts at TXID 1 nothing can be rebuilt; look at `litestream ltx -level all`, and take a new snapshot.',
  });
}

function outOfRange(timestamp: number, moments: Moments): LitestreamError {
  const known = moments.ends.map((end) => moments.at(end).time);
  const oldest = isoTime(known.reduce((a, b) => Math.min(a, b), Infinity));
  const newest = isoTime(known.reduce((a, b) => Math.max(a, b), -Infinity));
  return new LitestreamError('TIME_OUT_OF_RANGE', `planning a restore: ${isoTime(timestamp)} is before the oldest restorable state`, {
    details: { oldest, newest },
    hint: `Restorable moments lie after ${oldest} and up to ${newest}.`,
  });
}

const momentData = (moment: Moment) => ({ txid: formatTXID(moment.txid), time: isoTime(moment.time) });

/** Clocks and file times can be anything; a date out of JavaScript's range must not break a message. */
function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`;
}
