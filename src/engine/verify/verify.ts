/** Proves a replica: rebuilds a database from it in a scratch place and compares it with what it should be (decision 25). */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { PageSet } from '../../replica/proof-record.ts';
import type { PageSums } from '../database-engine.ts';
import { listForTarget } from '../restore/catalogue.ts';
import { nodeDisk } from '../restore/disk.ts';
import { checkFreeSpace } from '../restore/output.ts';
import { planRestore, type RestorePlan } from '../restore/plan.ts';
import { type OnRestoreProgress, throttleProgress } from '../restore/progress.ts';
import { type Rebuilt, rebuildDatabase } from '../restore/rebuild.ts';
import { type RestoreTools, sweepRestores } from '../restore/restore.ts';
import type { RestoreSource } from '../restore/source.ts';
import { LATEST, type RestoreTarget } from '../restore/target.ts';
import { Stopwatch, type TimeShares } from '../restore/time-shares.ts';
import { createWorkspace, workspaceToken } from '../restore/workspace.ts';
import { type Check, Checks, type Verdict } from './checks.ts';
import { comparePages } from './compare-pages.ts';

export type { Check, Outcome } from './checks.ts';

/** Plain data: may cross a thread. */
export interface VerifyRequest {
  /** What to rebuild; `sums` wins over it. */
  readonly target: RestoreTarget;
  /** Of the live database, taken before its position was confirmed at the replica. */
  readonly sums?: PageSums;
  /** What the pages of a state were found to be before; stands in for `sums` when that state is rebuilt. */
  readonly known?: KnownPages;
  /** Absolute directory for the scratch file, as large as the database; made when missing. */
  readonly scratch: string;
  readonly integrity: 'quick' | 'full';
  readonly token?: string;
}

/** The pages of a state that an earlier verification has compared with the live database. */
export interface KnownPages extends PageSet {
  readonly txid: TXID;
}

/** Plain data: may cross a thread. */
export interface VerifyResult extends Verdict {
  /** What was rebuilt; absent when nothing could be. */
  readonly txid?: TXID;
  /** The pages that were rebuilt. */
  readonly pageSet?: PageSet;
  readonly pagesCompared?: number;
  readonly filesRead: number;
  readonly bytesRead: number;
  readonly durationMs: number;
  readonly shares: TimeShares;
}

export interface VerifyTools {
  readonly source: RestoreSource;
  readonly clock: Clock;
  readonly checkIntegrity: RestoreTools['checkIntegrity'];
  readonly signal: AbortSignal;
  readonly onProgress?: OnRestoreProgress;
}

/** The name that scratch directories are made and swept under. */
export const scratchName = (directory: string): string => join(directory, 'verify');

/**
 * Verifies a replica. That the replica is bad is a result; rejects only when it could not be looked at (store, disk, cancellation).
 *
 * Without `sums` the page check is inconclusive and does not count. With them a TXID that the replica cannot restore makes the whole
 * inconclusive: the newest state is verified in its place, but not compared. The scratch is always removed.
 */
export async function verifyReplica(request: VerifyRequest, tools: VerifyTools): Promise<VerifyResult> {
  const { clock } = tools;
  const start = clock.monotonic();
  const run = new Verification(request, tools);
  await run.all();
  return { ...run.result(), durationMs: clock.monotonic() - start };
}

/** What makes a replica bad, as opposed to out of reach. */
const DAMAGE = ['LTX_INVALID', 'LTX_CHECKSUM_MISMATCH', 'LTX_TRUNCATED', 'LTX_GAP', 'PAGE_MISSING', 'NO_SNAPSHOT'] as const;

class Verification {
  readonly #request: VerifyRequest;
  readonly #tools: VerifyTools;
  readonly #stopwatch: Stopwatch;
  readonly #checks = new Checks();
  #rebuilt: Rebuilt | undefined;
  #bytesRead = 0;
  #pagesCompared: number | undefined;
  #notComparable: string | undefined;

  constructor(request: VerifyRequest, tools: VerifyTools) {
    this.#request = request;
    this.#tools = tools;
    this.#stopwatch = new Stopwatch(() => tools.clock.monotonic());
  }

  async all(): Promise<void> {
    const { scratch, token, integrity } = this.#request;
    const plan = await this.#chain();
    if (plan === undefined) return;
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    sweepRestores(nodeDisk, scratch);
    const { database, directory } = createWorkspace(nodeDisk, scratchName(scratch), token ?? workspaceToken());
    try {
      if (!(await this.#checksums(plan, database))) return;
      // Before SQLite opens the file: what was restored is to be compared, not what a check may have made of it.
      await this.#pages(database);
      await this.#integrity(database, integrity);
    } finally {
      nodeDisk.removeTree(directory);
    }
  }

  result(): Omit<VerifyResult, 'durationMs'> {
    return {
      ...this.#checks.verdict({ pagesCount: this.#notComparable !== undefined }),
      ...(this.#rebuilt === undefined ? {} : { txid: this.#rebuilt.plan.reached.txid, pageSet: pageSetOf(this.#rebuilt) }),
      ...(this.#pagesCompared === undefined ? {} : { pagesCompared: this.#pagesCompared }),
      filesRead: this.#rebuilt?.filesRead ?? 0,
      bytesRead: this.#bytesRead,
      shares: this.#stopwatch.shares(),
    };
  }

  /** Plans, and looks for gaps beyond what is planned. */
  async #chain(): Promise<RestorePlan | undefined> {
    const { sums } = this.#request;
    const target: RestoreTarget = sums === undefined ? this.#request.target : { type: 'txid', txid: sums.txid };
    const listing = await this.#stopwatch.measureAsync('read', () => listForTarget(this.#tools.source, target, this.#tools.signal));
    const newest = this.#judge('chain', () => planRestore(listing, LATEST));
    if (newest === undefined) return undefined;
    const plan =
      sums === undefined ? this.#judge('chain', () => planRestore(listing, target)) : this.#planComparable(listing, sums, newest);
    if (plan === undefined) return undefined;
    this.#checks.note('chain', 'passed', `${plan.files.length} ${plan.files.length === 1 ? 'file' : 'files'}, no gap`);
    return plan;
  }

  #planComparable(listing: readonly FileInfo[], { txid }: PageSums, newest: RestorePlan): RestorePlan {
    try {
      return planRestore(listing, { type: 'txid', txid });
    } catch (error) {
      if (!hasCode(error, 'TX_NOT_AVAILABLE')) throw error;
      const behind = newest.reached.txid < txid;
      this.#notComparable = behind
        ? `the replica ends at TXID ${formatTXID(newest.reached.txid)}, the live database is at ${formatTXID(txid)}`
        : `TXID ${formatTXID(txid)} was merged with later ones before it could be compared`;
      return newest;
    }
  }

  async #checksums(plan: RestorePlan, database: string): Promise<boolean> {
    const { source, signal, clock, onProgress = () => {} } = this.#tools;
    const report = throttleProgress(clock, onProgress);
    const request = { target: { type: 'txid', txid: plan.reached.txid } as const, plan, readAll: true };
    try {
      this.#rebuilt = await rebuildDatabase(database, request, {
        source,
        disk: nodeDisk,
        stopwatch: this.#stopwatch,
        signal,
        onSize: (bytes) => checkFreeSpace(database, bytes),
        onProgress: (progress) => {
          this.#bytesRead = progress.bytesRead;
          report(progress);
        },
      });
    } catch (error) {
      return this.#failedRebuild(error);
    }
    const { filesRead, replanned } = this.#rebuilt;
    this.#checks.note('checksums', 'passed', `${filesRead} of ${filesRead}${replanned ? ', after choosing files again' : ''}`);
    return true;
  }

  /** A file that has gone, or a TXID that was merged away while we read, says nothing about the replica. */
  #failedRebuild(error: unknown): false {
    if (hasCode(error, 'OBJECT_NOT_FOUND') || hasCode(error, 'TX_NOT_AVAILABLE')) {
      this.#checks.note('checksums', 'inconclusive', `the files changed while they were read: ${error.message}`);
    } else if (isDamage(error)) {
      this.#checks.note('checksums', 'failed', error.message);
    } else throw error;
    return false;
  }

  async #pages(database: string): Promise<void> {
    const { sums, known } = this.#request;
    const rebuilt = this.#rebuilt;
    if (sums === undefined && known !== undefined && rebuilt?.plan.reached.txid === known.txid) return this.#pagesKnown(rebuilt, known);
    if (sums === undefined || rebuilt === undefined)
      return this.#checks.note('pages', 'inconclusive', 'there is no live database to compare with');
    if (this.#notComparable !== undefined) return this.#checks.note('pages', 'inconclusive', this.#notComparable);
    if (rebuilt.pageSize !== sums.pageSize || rebuilt.pages !== sums.commit) {
      const restored = `${rebuilt.pages} pages of ${rebuilt.pageSize} bytes`;
      return this.#checks.note('pages', 'failed', `restored are ${restored}, the live database has ${sums.commit} of ${sums.pageSize}`);
    }
    const { compared, different, examples } = await this.#stopwatch.measureAsync('check', () =>
      comparePages(database, sums, this.#tools.signal),
    );
    this.#pagesCompared = compared;
    if (different === 0) return this.#checks.note('pages', 'passed', `${compared} of ${compared}`);
    const some = examples.join(', ') + (different > examples.length ? ', …' : '');
    this.#checks.note('pages', 'failed', `${different} of ${compared} pages differ from the live database: ${some}`);
  }

  /** The same transaction has the same pages for ever. */
  #pagesKnown(rebuilt: Rebuilt, known: KnownPages): void {
    const { checksum, pages, pageSize } = pageSetOf(rebuilt);
    const same = checksum === known.checksum && pages === known.pages && pageSize === known.pageSize;
    if (same) this.#pagesCompared = pages - (lockPage(pageSize) <= pages ? 1 : 0);
    const detail = same
      ? `the same ${pages} pages that an earlier verification compared with the live database`
      : 'the pages are not those that an earlier verification of this transaction has compared';
    this.#checks.note('pages', same ? 'passed' : 'failed', detail);
  }

  async #integrity(database: string, level: 'quick' | 'full'): Promise<void> {
    this.#tools.signal.throwIfAborted();
    try {
      const remark = await this.#stopwatch.measureAsync('check', () => this.#tools.checkIntegrity(database, level));
      this.#checks.note('integrity', 'passed', remark === undefined ? level : `${level}; ${remark}`);
    } catch (error) {
      if (!hasCode(error, 'INTEGRITY_FAILED')) throw error;
      const source = this.#checks.outcomeOf('pages') === 'passed' ? '; the live database has the same pages, so it is damaged itself' : '';
      this.#checks.note('integrity', 'failed', `${error.message}${source}`);
    }
  }

  #judge(name: Check['name'], plan: () => RestorePlan): RestorePlan | undefined {
    try {
      return plan();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#checks.note(name, 'failed', error.message);
      return undefined;
    }
  }
}

const pageSetOf = ({ checksum, pages, pageSize }: Rebuilt): PageSet => ({ checksum, pages, pageSize });

function isDamage(error: unknown): error is LitestreamError {
  return error instanceof LitestreamError && DAMAGE.some((code) => code === error.code);
}
