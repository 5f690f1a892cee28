/** Verifies one replica by schedule, and keeps what verifications of it have shown. */

import { Backoff } from '../../base/backoff.ts';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import { LATEST } from '../../engine/restore/target.ts';
import { formatTXID, NO_TXID } from '../../formats/ltx/txid.ts';
import type { Proof } from '../../replica/proof-record.ts';
import type { Companion, CompanionContext, MakeCompanion } from '../companions/companion.ts';
import type { ScheduledTask } from '../schedule/scheduler.ts';
import type { CompanionFacts } from '../service.ts';
import type { ProofLedger, ProofLedgers } from './ledger.ts';
import { type Proven, prove } from './prove.ts';
import { reasonOfError } from './reasons.ts';

const LOAD_RETRY = { initialMs: 5000, capMs: 300_000, jitter: 0.1 };

/** A proven state that is still the newest one is verified again after so many intervals: what could change are the files there. */
const AT_REST = 7;

/** How often a verification that did not pass may be repeated, ms: what was wrong may be mended long before its next interval. */
const AGAIN_MS = 10 * 60_000;

const COUNTS = { passed: 'proofs_passed', failed: 'proofs_failed', inconclusive: 'proofs_inconclusive' } as const;

/** For every replica: also one that is never verified by schedule has a record that may be read. */
export const proofCompanion =
  (ledgers: ProofLedgers): MakeCompanion =>
  (context) =>
    new ProofCompanion(context, ledgers);

class ProofCompanion implements Companion {
  readonly #with: CompanionContext;
  readonly #ledger: ProofLedger;
  readonly #tool: string;
  readonly #stopping = new AbortController();
  #tasks: readonly ScheduledTask[] = [];
  #running: Promise<void> | undefined;
  /** Verifications in a row that did not pass, and ticks since the last one: each download is twice as late as the one before. */
  #repeats = 0;
  #waited = 0;
  #loading: Promise<void> = Promise.resolve();

  constructor(context: CompanionContext, ledgers: ProofLedgers) {
    this.#with = context;
    this.#ledger = ledgers.of(context.replica.replica, context.replica.settings.name);
    this.#tool = ledgers.tool;
  }

  start(): void {
    const { scheduler, database, replica } = this.#with;
    const { name, proofIntervalMs } = replica.settings;
    this.#loading = this.#load().catch(() => {}); // ends with the abort of its pause
    if (proofIntervalMs === undefined) return;
    const of = `${database.settings.name}/${name}`;
    const every = (what: string, intervalMs: number, run: (signal: AbortSignal) => Promise<void>) =>
      scheduler.every({ name: `${what} of ${of}`, intervalMs, budget: 'proof', run });
    this.#tasks = [
      every('proof', proofIntervalMs, (signal) => this.#run(signal)),
      ...(proofIntervalMs > AGAIN_MS ? [every('repeated verification', AGAIN_MS, (signal) => this.#again(signal, proofIntervalMs))] : []),
    ];
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `verifications of ${this.#with.replica.settings.name} are being stopped`));
    await Promise.all([...this.#tasks.map((task) => task.stop()), this.#loading]);
  }

  facts(): CompanionFacts {
    return this.#ledger.facts(this.#with.replica.position);
  }

  /** One small read, once a process, in line with the listings of all replicas. */
  async #load(): Promise<void> {
    const { scheduler, clock } = this.#with;
    const signal = this.#stopping.signal;
    const backoff = new Backoff(LOAD_RETRY);
    for (;;) {
      try {
        return await scheduler.withBudget('listing', () => this.#ledger.load(signal), signal);
      } catch {
        signal.throwIfAborted();
        await clock.sleep(backoff.next(), { signal, unref: true }); // why it does not answer is for the uploads to tell
      }
    }
  }

  /** Both tasks do the same work: one of them at a time is enough. */
  async #run(signal: AbortSignal): Promise<void> {
    if (this.#running !== undefined) return;
    this.#running = this.#verify(signal);
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Does nothing unless the newest verification did not pass; then at once after a snapshot, else after pauses that double up to `most` ms. */
  async #again(signal: AbortSignal, most: number): Promise<void> {
    const latest = this.#ledger.record?.latest;
    if (latest === undefined || latest.outcome === 'passed') return;
    this.#waited += 1;
    const { snapshotAt = 0 } = this.#with.replica.status().maintenance ?? {};
    const pause = Math.min(2 ** Math.max(0, this.#repeats - 1), most / AGAIN_MS);
    if (snapshotAt > latest.at || this.#waited >= pause) await this.#run(signal);
  }

  async #verify(signal: AbortSignal): Promise<void> {
    const { database, replica } = this.#with;
    const { engine } = await database.status();
    if (engine.txid === NO_TXID && (replica.position ?? NO_TXID) === NO_TXID) return; // there is nothing yet
    const last = this.#ledger.record?.latest;
    const before = last?.outcome;
    const known = await this.#unchanged();
    if (known !== undefined && before === 'passed' && this.#isFresh(known)) return;
    const proof = await this.#prove(known, signal);
    this.#waited = 0;
    this.#repeats = proof.outcome === 'passed' ? 0 : this.#repeats + 1;
    await this.#ledger.add(proof, { keep: true, signal });
    this.#with.count(COUNTS[proof.outcome]);
    // A host without an identity would say the same every time.
    if (proof.outcome !== 'inconclusive' || proof.reasons.join() !== last?.reasons.join()) this.#tell(proof, before);
  }

  #isFresh({ at }: Proof): boolean {
    const { clock, replica } = this.#with;
    const age = clock.now() - at;
    return age >= 0 && age < AT_REST * (replica.settings.proofIntervalMs ?? 0);
  }

  async #prove(known: Proof | undefined, signal: AbortSignal): Promise<Proof> {
    const { staging, clock } = this.#with;
    const start = clock.monotonic();
    try {
      return await staging.with(async (scratch) => {
        const first = await this.#proveAgainst(known, scratch, signal);
        if (known === undefined || !hasOtherPages(first)) return first.proof;
        // Where the files were removed and the history was begun anew, it has come to the same number with other pages.
        const { proof } = await this.#proveAgainst(undefined, scratch, signal);
        return proof.compared || proof.outcome === 'failed' ? proof : first.proof;
      });
    } catch (error) {
      signal.throwIfAborted();
      const reasons = [reasonOfError(errorToData(error))];
      return {
        outcome: 'inconclusive',
        at: clock.now(),
        durationMs: clock.monotonic() - start,
        reasons,
        compared: false,
        tool: this.#tool,
      };
    }
  }

  /** With what was proven before in the place of the live pages, or with these. */
  #proveAgainst(known: Proof | undefined, scratch: string, signal: AbortSignal): Promise<Proven> {
    const { database, replica, clock, log, runJob } = this.#with;
    const comparison = known === undefined ? ({ compare: 'auto' } as const) : ({ compare: 'none', known } as const);
    return prove(
      {
        database: database.settings,
        replica: replica.settings,
        live: { database, replica },
        target: LATEST,
        integrity: 'quick',
        ...comparison,
        scratch,
      },
      { clock, log, runJob, signal, tool: this.#tool },
    );
  }

  /** The last proof, when nothing has been written since: its pages are the live ones, and a database that rests is not woken. */
  async #unchanged(): Promise<Proof | undefined> {
    const { database, replica } = this.#with;
    const passed = this.#ledger.record?.lastPassed;
    if (passed?.compared !== true || passed.txid !== replica.position) return undefined;
    const { engine } = await database.status();
    return engine.txid === passed.txid && engine.pendingWALBytes === 0 ? passed : undefined;
  }

  #tell({ outcome, txid, reasons, durationMs }: Proof, before: Proof['outcome'] | undefined): void {
    const { log } = this.#with;
    const fields = {
      outcome,
      duration_ms: Math.round(durationMs),
      ...(txid === undefined ? {} : { txid: formatTXID(txid) }),
      ...(reasons.length > 0 ? { reasons } : {}),
    };
    if (outcome === 'failed') log.log('error', 'the verification of the replica failed', fields);
    else if (outcome === 'inconclusive') log.log('warn', 'the verification of the replica is inconclusive', fields);
    else log.log(before === 'passed' ? 'debug' : 'info', 'the replica is verified', fields);
  }
}

const hasOtherPages = ({ result }: Proven): boolean => result.checks.some(({ name, outcome }) => name === 'pages' && outcome === 'failed');
