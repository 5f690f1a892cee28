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
import { prove } from './prove.ts';
import { reasonOfError } from './reasons.ts';

const LOAD_RETRY = { initialMs: 5000, capMs: 300_000, jitter: 0.1 };

/** A proven state that is still the newest one is verified again after so many intervals: what could change are the files there. */
const AT_REST = 7;

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
  #task: ScheduledTask | undefined;
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
    this.#task = scheduler.every({
      name: `proof of ${database.settings.name}/${name}`,
      intervalMs: proofIntervalMs,
      budget: 'proof',
      run: (signal) => this.#run(signal),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `verifications of ${this.#with.replica.settings.name} are being stopped`));
    await Promise.all([this.#task?.stop(), this.#loading]);
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

  async #run(signal: AbortSignal): Promise<void> {
    const { database, replica } = this.#with;
    const { engine } = await database.status();
    if (engine.txid === NO_TXID && (replica.position ?? NO_TXID) === NO_TXID) return; // there is nothing yet
    const before = this.#ledger.record?.latest.outcome;
    const known = await this.#unchanged();
    if (known !== undefined && before === 'passed' && this.#isFresh(known)) return;
    const proof = await this.#prove(known, signal);
    await this.#ledger.add(proof, { keep: true, signal });
    this.#with.count(COUNTS[proof.outcome]);
    this.#tell(proof, before);
  }

  #isFresh({ at }: Proof): boolean {
    const { clock, replica } = this.#with;
    const age = clock.now() - at;
    return age >= 0 && age < AT_REST * (replica.settings.proofIntervalMs ?? 0);
  }

  async #prove(known: Proof | undefined, signal: AbortSignal): Promise<Proof> {
    const { staging, database, replica, clock, log, runJob } = this.#with;
    const start = clock.monotonic();
    try {
      const { proof } = await staging.with((scratch) =>
        prove(
          {
            database: database.settings,
            replica: replica.settings,
            live: { database, replica },
            target: LATEST,
            integrity: 'quick',
            compare: known === undefined ? 'auto' : 'none',
            ...(known === undefined ? {} : { known }),
            scratch,
          },
          { clock, log, runJob, signal, tool: this.#tool },
        ),
      );
      return proof;
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
