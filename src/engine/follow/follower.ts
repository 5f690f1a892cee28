/** One copy that follows one replica: where it stands, and how it gets further. */

import type { Clock } from '../../base/clock.ts';
import { threadKernel } from '../../formats/ltx/thread-kernel.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { listLevel } from '../../replica/list-level.ts';
import { applyFiles } from '../restore/apply.ts';
import { listCatalogue } from '../restore/catalogue.ts';
import { type RestoreResult, type RestoreTools, restoreDatabase } from '../restore/restore.ts';
import { LATEST, type RestoreTarget } from '../restore/target.ts';
import { Stopwatch } from '../restore/time-shares.ts';
import { prepareChange } from './change.ts';
import { chooseFromAll, chooseFromLevel0, chooseWitnesses, type NextStep } from './choose.ts';
import type { Copy } from './copy.ts';
import type { FollowDisk } from './disk.ts';
import { proveByAll, proveByFile, timestampOf } from './history.ts';
import { IncrementPages, type NewPages, PageSizeChanged, stampHeader, wholeDatabase } from './new-pages.ts';
import type { FollowPlaces } from './places.ts';
import type { Applied, FollowNote, FollowRequest, RebaseReason } from './request.ts';
import type { FollowSource } from './source.ts';
import { type CopyState, type FollowState, writeCursor, writeState } from './state.ts';

/** While level 0 is silent about the position, all levels are listed this often, ms. */
const LOOK_WIDER_MS = 60_000;

export interface FollowTools {
  readonly source: FollowSource;
  readonly disk: FollowDisk;
  readonly clock: Clock;
  readonly guard: RestoreTools['guard'];
  readonly checkIntegrity: RestoreTools['checkIntegrity'];
  readonly signal: AbortSignal;
  readonly onNote: (note: FollowNote) => void;
  readonly onProgress?: RestoreTools['onProgress'] & {};
}

export class Follower {
  readonly #request: FollowRequest;
  readonly #tools: FollowTools;
  readonly #places: FollowPlaces;
  readonly #copy: Copy;
  /** The state the copy is in. TXID 0: not known which. */
  #state: CopyState;
  #witnesses: FollowState['witnesses'];
  #widerAt = Number.NEGATIVE_INFINITY;
  /** The last listing of level 0 had the file at the position. */
  #wasSeen = false;
  #isToldCurrent = false;

  constructor(request: FollowRequest, tools: FollowTools, places: FollowPlaces, copy: Copy, state: FollowState) {
    this.#request = request;
    this.#tools = tools;
    this.#places = places;
    this.#copy = copy;
    this.#state = state.states.at(-1) ?? { txid: NO_TXID, counter: 0 };
    this.#witnesses = state.witnesses;
  }

  get txid(): TXID {
    return this.#state.txid;
  }

  /**
   * Looks at the replica once and applies what there is. True when there may be more at once.
   *
   * Throws what listing, reading and applying throw; the copy is then as it was, or (SECOND_WRITER) as somebody else made it.
   */
  async round(): Promise<boolean> {
    this.#copy.requireUntouched(this.#state.counter);
    const step = await this.#next();
    switch (step.type) {
      case 'apply':
        await this.#apply(step.files);
        return true;
      case 'rebase':
        await this.#rebase(step.reason, step.target);
        return true;
      default:
        this.#tellCurrent();
        return false;
    }
  }

  /** A round failed: the next one that finds nothing new is told, because it ends the trouble. */
  failed(): void {
    this.#isToldCurrent = false;
  }

  close(): void {
    this.#copy.close();
  }

  async #next(): Promise<NextStep> {
    const { source, signal, clock } = this.#tools;
    if (this.#state.txid === NO_TXID) return { type: 'rebase', reason: 'unknown-state', target: LATEST };
    const files = await listLevel(source, 0, { seek: this.#state.txid, signal });
    const proof = await proveByFile(source, files, this.#state, signal);
    if (proof.isProven) this.#state = proof.state;
    const step = chooseFromLevel0(files, this.#state.txid, proof.isProven);
    if (step.type !== 'look-wider') {
      this.#wasSeen = proof.isProven;
      return step;
    }
    // A replica that only has the position under higher levels is not listed whole at every interval.
    const isQuiet = files.length === 0 && !this.#wasSeen && clock.monotonic() - this.#widerAt < LOOK_WIDER_MS;
    return isQuiet ? { type: 'nothing' } : await this.#lookWider();
  }

  async #lookWider(): Promise<NextStep> {
    const { source, signal, clock } = this.#tools;
    const files = await listCatalogue(source, { signal });
    const proof = await proveByAll(source, files, this.#state, this.#witnesses, signal);
    if (proof.isProven) {
      this.#state = proof.state;
      this.#witnesses = chooseWitnesses(files, this.#state.txid);
      writeState(this.#tools.disk, this.#places, { states: [this.#state], witnesses: this.#witnesses });
    }
    const step = chooseFromAll(files, this.#state.txid, proof.isProven);
    this.#widerAt = clock.monotonic();
    this.#wasSeen = false;
    return step;
  }

  async #apply(files: readonly FileInfo[]): Promise<void> {
    const { disk, source, signal, clock } = this.#tools;
    const start = clock.monotonic();
    const from = this.#state.txid;
    const { pageSize, pages } = this.#copy.look();
    disk.removeTree(this.#places.image);
    const fd = disk.create(this.#places.image);
    try {
      const next = new IncrementPages(disk, fd, pageSize);
      const stopwatch = new Stopwatch(() => clock.monotonic());
      const read = await applyFiles(files, {
        source,
        writer: next,
        kernel: threadKernel(),
        stopwatch,
        signal,
        readAll: false,
        onBytes: () => {},
        onSize: () => {},
      });
      next.requireGrowth(pages);
      next.stamp(() => this.#copy.firstPage(), this.#nextCounter);
      const last = files.at(-1);
      const listed = last?.level === 0 ? { listed: { size: last.size, createdAt: last.createdAt } } : {};
      const state = { txid: next.header.maxTXID, counter: this.#nextCounter, timestamp: next.header.timestamp, ...listed };
      const written = await this.#change(next, state);
      const facts = { files: read.filesRead, bytes: read.bytesRead, pages: written, durationMs: clock.monotonic() - start };
      this.#tell({ type: 'applied', from, txid: state.txid, time: state.timestamp, ...facts });
    } catch (error) {
      if (!(error instanceof PageSizeChanged)) throw error;
      await this.#rebase('page-size', LATEST);
    } finally {
      disk.close(fd);
      disk.removeTree(this.#places.image);
    }
  }

  /** The newest state is restored beside, then what differs goes into the copy like an increment: readers need not open it anew. */
  async #rebase(reason: RebaseReason, target: RestoreTarget): Promise<void> {
    const { disk, source } = this.#tools;
    const from = this.#state.txid;
    const result = await makeBase(target, this.#request, this.#tools, this.#places);
    const fd = disk.open(this.#places.base);
    try {
      const page = new Uint8Array(result.pageSize);
      disk.read(fd, page, 0);
      stampHeader(page, this.#nextCounter, result.pages);
      disk.write(fd, page, 0);
      const state = { ...(await stateOfBase(source, result, this.#tools.signal)), counter: this.#nextCounter };
      this.#witnesses = chooseWitnesses(result.plan.files, result.txid);
      const pages = await this.#change(wholeDatabase(fd, result), state);
      this.#tell({ type: 'rebased', from: from === NO_TXID ? undefined : from, reason, ...appliedBase(result), pages });
    } finally {
      disk.close(fd);
      disk.removeTree(this.#places.base);
    }
  }

  /** Brings the copy to `state`; returns how many pages were written. */
  async #change(next: NewPages, state: CopyState): Promise<number> {
    const { disk, signal, onNote } = this.#tools;
    const old = this.#copy.look();
    const prepared = await prepareChange(disk, this.#places, old, next, signal);
    writeState(disk, this.#places, { states: [this.#state, state], witnesses: this.#witnesses });
    const onBusy = () => onNote({ type: 'busy', txid: this.#state.txid === NO_TXID ? undefined : this.#state.txid });
    await this.#copy.change(prepared, this.#state.counter, { signal, onBusy });
    this.#state = state;
    writeCursor(disk, this.#places, state.txid);
    return prepared.writes.count;
  }

  get #nextCounter(): number {
    return (this.#state.counter + 1) >>> 0;
  }

  #tell(note: FollowNote): void {
    this.#isToldCurrent = false;
    this.#tools.onNote(note);
  }

  #tellCurrent(): void {
    if (this.#isToldCurrent) return;
    this.#isToldCurrent = true;
    this.#tools.onNote({ type: 'current', txid: this.#state.txid });
  }
}

/** Restores a state to the private place, replacing what an interrupted attempt left there. */
export function makeBase(
  target: RestoreTarget,
  request: FollowRequest,
  tools: FollowTools,
  { base }: FollowPlaces,
): Promise<RestoreResult> {
  tools.disk.removeTree(base);
  return restoreDatabase({ target, output: base, integrity: request.integrity }, tools);
}

/** What is remembered of a base; its change counter is given later. */
export async function stateOfBase(source: FollowSource, result: RestoreResult, signal: AbortSignal): Promise<Omit<CopyState, 'counter'>> {
  const last = result.plan.files.at(-1);
  if (last === undefined || last.level === SNAPSHOT_LEVEL) return { txid: result.txid };
  try {
    return { txid: result.txid, timestamp: await timestampOf(source, last, signal) };
  } catch {
    signal.throwIfAborted();
    // Gone since it was read: the next round finds the time in another file that ends there.
    return { txid: result.txid };
  }
}

export function appliedBase(result: RestoreResult): Applied {
  const { txid, time, filesRead, bytesRead, pages, durationMs } = result;
  return { txid, time, files: filesRead, bytes: bytesRead, pages, durationMs };
}
