/** Captures what was committed into level-0 files: one pass observes, decides, writes and only then moves on. */

import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { EncodedLTX } from '../../formats/ltx/encoder.ts';
import { formatTXID, NO_TXID, nextTXID, type TXID } from '../../formats/ltx/txid.ts';
import { frameSize } from '../../formats/wal/frame.ts';
import { sameSalts, WAL_HEADER_SIZE, type WALHeader } from '../../formats/wal/header.ts';
import type { PageMap } from '../../formats/wal/page-map.ts';
import type { EngineEvent } from '../events.ts';
import type { DatabaseSettings } from '../options.ts';
import { type Cursor, cursorEnd } from './cursor.ts';
import { type Decision, decide } from './decide.ts';
import { type Level0Job, writeLevel0 } from './level-0-file.ts';
import type { LiveDatabase } from './live-database.ts';
import type { LocalLog } from './local-log.ts';
import { NotYet } from './not-yet.ts';
import { allPages, incrementPages, runsOf } from './page-source.ts';
import { readCursor } from './position.ts';
import type { PublishFS } from './publish-fs.ts';
import { secondWriter } from './staged-writer.ts';
import type { WALFile, WALView } from './wal-file.ts';

export interface CaptureDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly fs: PublishFS;
  readonly localLog: LocalLog;
  readonly onEvent: (event: EngineEvent) => void;
}

export interface PassResult {
  /** A file was published. */
  readonly published: boolean;
  /** The soft limit ended the pass: there is more. */
  readonly limited: boolean;
  /** The WAL as this pass saw it. */
  readonly view: WALView;
}

type FullDecision = Extract<Decision, { kind: 'full' }>;
const fullBecause = (reason: string): FullDecision => ({ kind: 'full', from: WAL_HEADER_SIZE, reason });
const GROWN = 'a page of the grown database is not in the WAL';

/** One opening of one database. State changes only after a file is durable, so a failed pass is decided again in the same way. */
export class Capture {
  readonly #db: LiveDatabase;
  readonly #settings: DatabaseSettings;
  readonly #deps: CaptureDeps;
  #cursor: Cursor | undefined;
  #startup = true;
  #sealed = false;
  #demanded: string | undefined;
  #floor: TXID | undefined;
  /** The WAL right after our own small commit, when it held nothing else that is not captured. */
  #bump: WALView | undefined;
  /** A visible file whose directory could not be synced yet. */
  #unconfirmed: (() => void) | undefined;

  constructor(db: LiveDatabase, settings: DatabaseSettings, deps: CaptureDeps, floor: TXID | undefined) {
    this.#db = db;
    this.#settings = settings;
    this.#deps = deps;
    this.#floor = floor;
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  /** See DecisionInput.sealed. */
  get isSealed(): boolean {
    return this.#sealed;
  }

  /** False while it is unknown at which TXID to begin: no local file, and a replica has not been heard. */
  get #canBegin(): boolean {
    return this.#cursor !== undefined || this.#floor !== undefined;
  }

  /** Finds the position on disk and pins the WAL; to be called once before the first pass. */
  async begin(): Promise<void> {
    const { localLog } = this.#deps;
    await this.#db.pinWAL(this.#settings.busyTimeoutMs);
    const newest = localLog.newest();
    if (newest === undefined) return;
    const wal = this.#db.openWAL();
    try {
      this.#cursor = readCursor(newest, wal);
    } catch (error) {
      if (!(error instanceof LitestreamError) || error.disposition !== 'reset') throw error;
      this.#setAside(newest, error);
    } finally {
      wal.close();
    }
  }

  /** The next file is a full one whatever the WAL says. */
  demandFull(reason: string): void {
    this.#demanded ??= reason;
  }

  /** A replica holds TXIDs up to `floor`. */
  raise(floor: TXID): void {
    if (this.#floor === undefined || floor > this.#floor) this.#floor = floor;
  }

  /** Under the barrier, after a pass without rest: everything is captured and backfilled and our read transaction was begun anew. */
  seal(): void {
    this.#sealed = true;
  }

  /** Passes until everything is captured that was committed when it was called; returns the WAL as the last one saw it. A faster writer does not keep it going. */
  async passAll(): Promise<WALView> {
    let target: WALView | undefined;
    for (;;) {
      const { limited, view } = await this.pass();
      target ??= view;
      if (!limited || this.hasReached(target)) return view;
      await setImmediate();
    }
  }

  /** Everything is captured that `view`, seen by an earlier pass, shows. A WAL that began anew since then was captured before: nothing else allows that. */
  hasReached({ header, end }: WALView): boolean {
    const cursor = this.#cursor;
    if (cursor === undefined || header === undefined) return false;
    return header.salt1 !== cursor.salt1 || header.salt2 !== cursor.salt2 || cursorEnd(cursor) >= end;
  }

  /** `view` was taken right after our own small commit of one page. */
  bumped(view: WALView): void {
    this.#bump = this.pendingBytes(view) === frameSize(this.#db.pageSize) ? view : undefined;
  }

  /** Nothing is pending but our own small commit, which can wait for company. */
  isOnlyBumpPending(view: WALView): boolean {
    const bump = this.#bump;
    return bump?.header !== undefined && view.header !== undefined && sameSalts(bump.header, view.header) && bump.end === view.end;
  }

  /** A pass would find nothing to do. */
  isIdle(view: WALView): boolean {
    if (this.#startup || this.#unconfirmed !== undefined || !this.#db.readLock.isHeld) return false;
    return this.#decide(view).kind === 'none';
  }

  observe(): WALView {
    const wal = this.#db.openWAL();
    try {
      return wal.observe(() => this.#db.walState(), this.#cursor);
    } finally {
      wal.close();
    }
  }

  /** Bytes of committed WAL that no file holds yet. */
  pendingBytes(view: WALView): number {
    const decision = this.#decide(view);
    return decision.kind === 'none' ? 0 : view.end - decision.from;
  }

  /** The next pass copies the whole database: nothing to do while writers wait. */
  needsFull(view: WALView): boolean {
    return this.#decide(view).kind === 'full';
  }

  /** One step of at most `limitBytes` of WAL (counted to a commit). Runs inside the executor. */
  async pass(limitBytes: number = this.#settings.maxSyncWALBytes): Promise<PassResult> {
    this.#assertReadable();
    this.#confirm();
    if (!this.#canBegin) throw new NotYet('starting', `capturing ${this.#db.path}: it is not known yet what the replicas hold`);
    const wal = this.#db.openWAL();
    try {
      let view = wal.observe(() => this.#db.walState(), this.#cursor);
      const decision = this.#decide(view);
      if (decision.kind === 'none') {
        this.#startup = false;
        return { published: false, limited: false, view };
      }
      this.refuseSecondWriter();
      if (decision.kind === 'full') {
        await this.#db.pinWAL(this.#settings.busyTimeoutMs);
        wal.reopen();
        view = wal.observe(() => this.#db.walState(), this.#cursor);
        return { ...(await this.#writeFull(wal, view, decision)), view };
      }
      return { ...(await this.#writeIncrement(wal, view, decision.from, limitBytes)), view };
    } finally {
      wal.close();
    }
  }

  #decide(view: WALView): Decision {
    const skipped = this.#floor !== undefined && this.#floor > (this.#cursor?.txid ?? NO_TXID);
    return decide({
      cursor: this.#cursor,
      demanded: this.#demanded ?? (skipped && this.#cursor !== undefined ? 'a replica is further than the local log' : undefined),
      startup: this.#startup,
      sealed: this.#sealed,
      pageSize: this.#db.pageSize,
      wal: view,
      lastFrame: view.lastFrame,
    });
  }

  async #writeIncrement(wal: WALFile, view: WALView, from: number, limitBytes: number): Promise<Omit<PassResult, 'view'>> {
    const header = requireHeader(view);
    const previous = this.#cursor?.commit ?? 0;
    const map = wal.scan(header, from, { softLimitBytes: limitBytes, hardEnd: view.end });
    if (map === undefined) {
      return this.#writeFull(wal, view, fullBecause('WAL does not continue what was captured'));
    }
    if (map.transactions === 0) throw torn(wal.path, view.end, map.end);
    const pgnos = incrementPages(map.pages, previous, map.commit, header.pageSize);
    const required = { after: Math.min(previous, map.commit), upTo: map.commit };
    // The database file may be further than a limited pass.
    if (pgnos.length > map.pages.size && map.end < view.end) return this.#writeFull(wal, view, fullBecause(GROWN));
    try {
      await this.#write(wal, header, map, { runs: (maxRun) => runsOf(pgnos, maxRun), beyondEnd: 'refuse', required });
    } catch (error) {
      if (!hasCode(error, 'PAGE_MISSING')) throw error;
      return this.#writeFull(wal, view, fullBecause(GROWN));
    }
    return { published: true, limited: map.end < view.end };
  }

  async #writeFull(wal: WALFile, view: WALView, { from, reason }: FullDecision): Promise<Omit<PassResult, 'view'>> {
    const header = requireHeader(view);
    const map = wal.scan(header, from, { hardEnd: view.end });
    if (map === undefined || map.end !== view.end || map.commit === 0) throw torn(wal.path, view.end, map?.end);
    const required = { after: 0, upTo: map.commit };
    const runs = (maxRun: number) => allPages(map.commit, header.pageSize, maxRun);
    await this.#write(wal, header, map, { runs, beyondEnd: 'zeros', required, fullReason: reason });
    return { published: true, limited: false };
  }

  async #write(wal: WALFile, header: WALHeader, map: PageMap, how: WriteHow): Promise<void> {
    const { clock, fs, localLog } = this.#deps;
    const { fullReason, ...pages } = how;
    const timestamp = Math.max(clock.now(), (this.#cursor?.timestamp ?? 0) + 1);
    const { pageForm } = this.#settings;
    const written = await writeLevel0({
      db: this.#db,
      wal,
      header,
      map,
      localLog,
      fs,
      txid: this.#nextTXID(),
      timestamp,
      pageForm,
      ...pages,
    });
    this.#unconfirmed = () => this.#published(written.cursor, written.encoded, fullReason);
    this.#confirm();
  }

  /** The last step of publishing, repeated by the next pass when it fails: the name is taken, so the file cannot be written anew. */
  #confirm(): void {
    if (this.#unconfirmed === undefined) return;
    this.#deps.fs.syncDirectory(this.#deps.localLog.directory);
    const done = this.#unconfirmed;
    this.#unconfirmed = undefined;
    done();
  }

  #published(cursor: Cursor, { size, pages }: EncodedLTX, fullReason: string | undefined): void {
    this.#cursor = cursor;
    this.#bump = undefined;
    this.#startup = false;
    this.#sealed = false;
    this.#demanded = undefined;
    const { txid, timestamp: at, walSize: walBytes } = cursor;
    const reason = fullReason === undefined ? {} : { fullReason };
    if (fullReason !== undefined) this.#deps.log.log('info', 'wrote a full file', { txid: formatTXID(txid), reason: fullReason, size });
    this.#deps.onEvent({ type: 'synced', txid, at, size, pages, ...reason, walBytes });
  }

  #nextTXID(): TXID {
    const position = this.#cursor?.txid ?? NO_TXID;
    return nextTXID(this.#floor !== undefined && this.#floor > position ? this.#floor : position);
  }

  /** A lost read transaction means that anything may have happened to the WAL since. */
  #assertReadable(): void {
    if (this.#db.readLock.isHeld) return;
    this.demandFull('the read transaction was lost');
    this.#sealed = false;
    this.#db.readLock.acquire();
  }

  /** SECOND_WRITER when there is one. The original ignores our lock and continues from our newest file; so its first trace is the name that we would use next. */
  refuseSecondWriter(): void {
    const path = this.#deps.localLog.pathOf(this.#nextTXID());
    if (this.#deps.fs.exists(path)) throw secondWriter(path);
  }

  /** The damaged file was on no replica: its TXID may be used again for a full file. Otherwise the floor leads beyond it. */
  #setAside(newest: { readonly path: string; readonly maxTXID: TXID }, error: LitestreamError): void {
    if (this.#floor === undefined) throw error;
    const aside = this.#deps.localLog.setAside({ ...newest, minTXID: newest.maxTXID });
    this.#deps.log.log('warn', 'the newest local file is damaged; the next file is a full one', { error: error.message, movedTo: aside });
    this.demandFull('the newest local file was damaged');
    const before = this.#deps.localLog.newest();
    if (before === undefined) return;
    this.#floor = before.maxTXID > this.#floor ? before.maxTXID : this.#floor;
  }
}

interface WriteHow extends Pick<Level0Job, 'runs' | 'beyondEnd' | 'required'> {
  readonly fullReason?: string;
}

function requireHeader(view: WALView): WALHeader {
  if (view.header === undefined) throw new LitestreamError('DB_NOT_READY', 'reading the WAL: it has no header');
  return view.header;
}

function torn(path: string, wanted: number, found: number | undefined): LitestreamError {
  return new LitestreamError(
    'WAL_INVALID',
    `reading ${path}: its committed part ends at ${wanted}, but it is valid up to ${found ?? 0} only`,
    {
      hint: 'It is tried again; if it does not pass, check the disk and run PRAGMA integrity_check on the database.',
    },
  );
}
