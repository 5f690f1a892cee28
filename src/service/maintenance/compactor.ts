/** Merges and snapshots of one replica: which pass has something to do, and what follows from its outcome (docs/engine.md, Levels). */

import { orAbort } from '../../base/abortable.ts';
import { type ErrorCode, hasCode, LitestreamError } from '../../base/errors.ts';
import { type Compacted, type CompactTools, compactLevel } from '../../engine/compaction/compact-level.ts';
import { checkLevel, type Inconsistency } from '../../engine/compaction/level-check.ts';
import { isRecent } from '../../engine/compaction/merge-plan.ts';
import { mergeSnapshot } from '../../engine/compaction/merge-snapshot.ts';
import type { Merged } from '../../engine/compaction/merge-step.ts';
import type { LevelSettings, MaintenanceSettings } from '../../engine/options.ts';
import { listCatalogue } from '../../engine/restore/catalogue.ts';
import type { TXIDRange } from '../../formats/ltx/filename.ts';
import { decodeHeader, describeRange, LTX_HEADER_SIZE } from '../../formats/ltx/header.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { describeFile, type FileInfo, fileKey, type Level, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { listLevel } from '../../replica/list-level.ts';
import type { CompanionContext } from '../companions/companion.ts';
import { Ledger } from './ledger.ts';

/** The engine cannot make a snapshot now, and what the replica holds has to do. */
const NOT_OPEN: readonly ErrorCode[] = ['DB_NOT_OPEN', 'DB_NOT_READY', 'DB_NOT_FOUND', 'ENGINE_STOPPED'];

const NONE: ReadonlySet<string> = new Set();

/** An engine that has not opened after so long has something in its way, ms. */
const OPENING_MS = 300_000;

export interface CompactorEvents {
  /** A file was added to a level. */
  readonly onFile: () => void;
  /** Everything that is wrong with a level. */
  readonly onChecked: (level: Level, found: readonly Inconsistency[]) => void;
}

export class Compactor {
  readonly ledger = new Ledger();
  readonly #context: CompanionContext;
  readonly #settings: MaintenanceSettings;
  readonly #events: CompactorEvents;
  /** Keys of damaged files; absent until one is found. */
  #damaged: Set<string> | undefined;
  /** Of the newest file that was merged. */
  #pageSize: number | undefined;
  /** Page size of the newest snapshot, once known. */
  #snapshotPageSize: { readonly maxTXID: TXID; readonly pageSize: number } | undefined;

  constructor(context: CompanionContext, settings: MaintenanceSettings, events: CompactorEvents) {
    this.#context = context;
    this.#settings = settings;
    this.#events = events;
  }

  /** The position of the replica; 0 while it holds nothing. */
  get #position(): TXID {
    return this.#context.replica.position ?? NO_TXID;
  }

  /** Nothing was added to what the level is made of since it was last brought up to date. */
  isSettled(level: Level): boolean {
    const source = level === 1 ? this.#context.replica.position : this.ledger.end((level - 1) as Level);
    return source !== undefined && this.ledger.isSettled(level, source);
  }

  /**
   * Brings a level up to date, and puts a snapshot first where only that lets it go on.
   *
   * @param isForced also when the level was merged in this period.
   * @returns true when a file was made; there may be more to do.
   */
  async level({ level, intervalMs }: LevelSettings, isForced: boolean, signal: AbortSignal): Promise<boolean> {
    if (this.#position === NO_TXID) return false;
    const source = level === 1 ? this.#position : this.ledger.end((level - 1) as Level);
    if (source !== undefined && this.ledger.isSettled(level, source)) return false;
    const newest = await this.#newest(level, signal);
    if (source !== undefined && this.ledger.isSettled(level, source)) return false;
    if (!isForced && isRecent(newest, intervalMs, this.#context.clock.now())) return false;
    const first = await this.#compact(level, signal);
    // In the place that the merge holds: whoever waits for another one here could wait for a snapshot that waits for us.
    const isBroken = first.hole !== undefined || first.damage !== undefined;
    if (await this.#needsSnapshot(first, signal)) await this.#putSnapshot(signal, isBroken);
    if (isBroken) standsStill(level, await this.#compact(level, signal));
    const hasMerged = this.ledger.newest(level) !== newest;
    // What lies behind the end of the level is in a snapshot alone.
    if (!hasMerged && source !== undefined) this.ledger.settle(level, source);
    if (hasMerged && this.#settings.verifyCompaction) await this.#verify(level, signal);
    return hasMerged;
  }

  /**
   * Puts a level-9 file of the newest state, unless there is one.
   *
   * @param isForced also when there is one of this period.
   */
  async snapshot(isForced: boolean, signal: AbortSignal): Promise<boolean> {
    if (this.#position === NO_TXID || this.#isUpTo(SNAPSHOT_LEVEL, this.#position)) return false;
    await this.#relist(SNAPSHOT_LEVEL, signal);
    if (this.#isUpTo(SNAPSHOT_LEVEL, this.#position)) return false;
    if (!isForced && isRecent(this.ledger.newest(SNAPSHOT_LEVEL), this.#settings.snapshotIntervalMs, this.#context.clock.now()))
      return false;
    await this.#putSnapshot(signal, false);
    return true;
  }

  /** The engine is about to open: waiting for it costs less than merging what the replica holds. */
  async isOpening(): Promise<boolean> {
    const { engine } = await this.#context.database.status();
    return engine.state === 'starting' && this.#context.clock.now() - engine.since < OPENING_MS;
  }

  async listAll(signal: AbortSignal): Promise<FileInfo[]> {
    return listCatalogue(this.#context.replica.replica, { signal });
  }

  #isUpTo(level: Level, source: TXID): boolean {
    const end = this.ledger.end(level);
    return end !== undefined && end >= source;
  }

  async #newest(level: Level, signal: AbortSignal): Promise<FileInfo | undefined> {
    if (!this.ledger.isKnown(level)) await this.#relist(level, signal);
    return this.ledger.newest(level);
  }

  async #relist(level: Level, signal: AbortSignal): Promise<void> {
    this.ledger.note(level, await this.#context.replica.replica.newest(level, { signal }));
  }

  async #compact(level: Level, signal: AbortSignal): Promise<Compacted> {
    const done = await compactLevel(level, this.ledger.newest(level), {
      ...this.#tools(signal),
      damaged: this.#damaged ?? NONE,
      ...(await this.#readable()),
      ...this.#intervalOf(level),
      onMerged: (merged) => this.#merged(merged),
    });
    if (done.damage !== undefined) this.#damaged = (this.#damaged ?? new Set()).add(fileKey(done.damage.file));
    return done;
  }

  async #readable(): Promise<Pick<CompactTools, 'isReadable'>> {
    if (this.#context.replica.replica.canRead) return {};
    const here = new Set((await this.#context.local.list()).map(({ txid }) => txid));
    return { isReadable: ({ level, minTXID, maxTXID }) => level > 0 || (minTXID === maxTXID && here.has(maxTXID)) };
  }

  #intervalOf(level: Level): { readonly intervalMs?: number } {
    const intervalMs = this.#settings.levels.find((one) => one.level === level)?.intervalMs;
    return intervalMs === undefined ? {} : { intervalMs };
  }

  #tools(signal: AbortSignal) {
    const { replica, local, staging, runJob, database } = this.#context;
    return { replica: replica.replica, local, staging, runJob, pageForm: database.settings.pageForm, signal };
  }

  #merged({ file, pageSize }: Merged): void {
    this.#context.count('compactions');
    this.#context.count('compacted_bytes', file.size);
    this.#added(file);
    if (file.level === 1) this.#pageSize = pageSize;
  }

  #added(file: FileInfo): void {
    this.ledger.note(file.level, file);
    this.#events.onFile();
  }

  /** Only a snapshot leads over a hole, and into pages of another size. */
  async #needsSnapshot({ hole, damage, pageSizeChanged }: Compacted, signal: AbortSignal): Promise<boolean> {
    if (hole !== undefined) return true;
    if (damage === undefined && !pageSizeChanged && !(await this.#hasOtherPages(signal))) return false;
    // Whoever asked for one, and the uploads at a change of page size, put theirs without telling us.
    await this.#relist(SNAPSHOT_LEVEL, signal);
    if (damage !== undefined) return !this.#isUpTo(SNAPSHOT_LEVEL, this.#position);
    return this.ledger.newest(SNAPSHOT_LEVEL) === undefined || (await this.#hasOtherPages(signal));
  }

  /** The newest snapshot is older than what was merged last, and its page size is another one. */
  async #hasOtherPages(signal: AbortSignal): Promise<boolean> {
    if (this.#pageSize === undefined || !this.#context.replica.replica.canRead) return false;
    const newest = await this.#newest(SNAPSHOT_LEVEL, signal);
    if (newest === undefined || newest.maxTXID >= (this.ledger.end(1) ?? NO_TXID)) return false;
    return (await this.#pageSizeOf(newest, signal)) !== this.#pageSize;
  }

  async #pageSizeOf(file: FileInfo, signal: AbortSignal): Promise<number> {
    if (this.#snapshotPageSize?.maxTXID !== file.maxTXID) {
      const { pageSize } = decodeHeader(await this.#context.replica.replica.read(file, { length: LTX_HEADER_SIZE, signal }));
      this.#snapshotPageSize = { maxTXID: file.maxTXID, pageSize };
    }
    return this.#snapshotPageSize.pageSize;
  }

  /** @param wakes a cold database is opened for it: what the replica holds does not do. */
  async #putSnapshot(signal: AbortSignal, wakes: boolean): Promise<void> {
    const { canRead } = this.#context.replica.replica;
    const file = (await this.#liveSnapshot(signal, wakes || !canRead)) ?? (canRead ? await this.#mergedSnapshot(signal) : undefined);
    if (file === undefined) return;
    this.#added(file);
    this.#context.count('snapshots');
  }

  async #liveSnapshot(signal: AbortSignal, wakes: boolean): Promise<FileInfo | undefined> {
    const { database, replica } = this.#context;
    try {
      // An engine in the middle of a long copy does not hold a stop up.
      return (await this.#isLive(wakes)) ? await orAbort(database.snapshot(replica, signal), signal) : undefined;
    } catch (error) {
      if (NOT_OPEN.some((code) => hasCode(error, code))) return undefined;
      throw error;
    }
  }

  /** From what the replica holds; undefined when level 9 has that already. */
  async #mergedSnapshot(signal: AbortSignal): Promise<FileInfo | undefined> {
    const merged = await mergeSnapshot(this.#tools(signal));
    if (merged === undefined) await this.#relist(SNAPSHOT_LEVEL, signal);
    else this.#context.count('compacted_bytes', merged.file.size);
    return merged?.file;
  }

  /** The engine is at work, and what it has is what the replica goes on with: a replica that is further is not to get an older state. */
  async #isLive(wakes: boolean): Promise<boolean> {
    const { engine } = await this.#context.database.status();
    const isOpen = engine.state === 'replicating' || (wakes && engine.state === 'cold');
    return isOpen && engine.txid >= this.#position;
  }

  async #verify(level: Level, signal: AbortSignal): Promise<void> {
    const { replica } = this.#context.replica;
    const alone = checkLevel(level, await listLevel(replica, level, { signal }));
    this.#events.onChecked(level, alone.length === 0 ? [] : checkLevel(level, await this.listAll(signal)));
  }
}

/** A second look that still ends at a hole is a failure, named after what is missing. */
function standsStill(level: Level, { hole, damage }: Compacted): void {
  if (damage !== undefined) {
    throw new LitestreamError(damage.error.code, `merging into level ${level}: ${describeFile(damage.file)} is damaged`, {
      cause: damage.error,
      hint: 'Copy the file from another replica, if there is one; a snapshot of the open database leads over it otherwise.',
    });
  }
  if (hole !== undefined) throw holeError(level, hole);
}

const holeError = (level: Level, hole: TXIDRange): LitestreamError =>
  new LitestreamError('LTX_GAP', `merging into level ${level}: transactions ${describeRange(hole)} are missing at the replica`, {
    details: { level, min_txid: formatTXID(hole.minTXID), max_txid: formatTXID(hole.maxTXID) },
    hint: 'Moments inside cannot be restored from this replica. A snapshot of the open database leads over them; it is tried again by itself.',
  });
