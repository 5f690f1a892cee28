/** What is known about the verifications of one replica, in memory and beside the replica. */

import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import {
  addProof,
  decodeProofRecord,
  encodeProofRecord,
  PROOF_RECORD_NAME,
  type Proof,
  type ProofRecord,
} from '../../replica/proof-record.ts';
import type { Replica } from '../../replica/replica.ts';
import { limited } from '../limited.ts';
import type { CompanionFacts, ProofFacts } from '../service.ts';
import { failedProof } from './reasons.ts';

/** How long reading or writing the record may take, ms. */
const CALL_LIMIT = 30_000;

export class ProofLedger {
  readonly #replica: Replica;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #record: ProofRecord | undefined;
  #isLoaded = false;

  constructor(replica: Replica, name: string, clock: Clock, log: Logger) {
    this.#replica = replica;
    this.#name = name;
    this.#clock = clock;
    this.#log = log;
  }

  get record(): ProofRecord | undefined {
    return this.#record;
  }

  /** Reads what is kept beside the replica, once; rejects when the replica does not answer. */
  async load(signal?: AbortSignal): Promise<void> {
    if (this.#isLoaded) return;
    const what = `reading the proof record of ${this.#replica.store.destination}`;
    const bytes = await limited({ clock: this.#clock, ms: CALL_LIMIT, what, signal }, (call) =>
      this.#replica.aux.read(PROOF_RECORD_NAME, { signal: call }),
    );
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const kept = bytes === undefined ? undefined : decodeProofRecord(bytes, this.#clock.now());
    if (bytes !== undefined && kept === undefined) {
      this.#log.log('warn', 'the proof record beside the replica cannot be believed and counts as none', { name: PROOF_RECORD_NAME });
    }
    this.#record = this.#record === undefined ? kept : addProof(kept, this.#name, this.#record.latest);
  }

  /** Remembers one more outcome; with `keep` also beside the replica. True when it is kept there. */
  async add(proof: Proof, { keep, signal }: { readonly keep: boolean; readonly signal?: AbortSignal }): Promise<boolean> {
    this.#record = addProof(this.#record, this.#name, proof);
    if (!keep) return false;
    try {
      // What an earlier process has shown must not be lost.
      await this.load(signal);
      const bytes = encodeProofRecord(this.#record, { discreet: this.#replica.isEncrypted });
      const what = `writing the proof record of ${this.#replica.store.destination}`;
      await limited({ clock: this.#clock, ms: CALL_LIMIT, what, signal }, (call) =>
        this.#replica.aux.write(PROOF_RECORD_NAME, bytes, { signal: call }),
      );
      return true;
    } catch (error) {
      if (signal?.aborted) return false;
      this.#log.log('warn', 'the outcome of the verification could not be kept beside the replica', { error: errorToData(error) });
      return false;
    }
  }

  /** @param position of the replica: what is known of later transactions belongs to files that are gone, and says nothing. */
  facts(position?: TXID): CompanionFacts {
    const record = this.#record;
    if (record === undefined || (position !== undefined && [record.latest, record.lastPassed].some((proof) => isBehind(position, proof))))
      return {};
    const { standing } = record;
    const trouble = standing && {
      of: 'proof',
      error: errorToData(failedProof(this.#replica.store.destination, standing.reasons)),
      since: standing.at,
    };
    return { proof: proofFacts(record), ...(trouble === undefined ? {} : { troubles: [trouble] }) };
  }
}

const isBehind = (position: TXID, proof: Proof | undefined): boolean => proof?.txid !== undefined && proof.txid > position;

function proofFacts({ latest, lastPassed }: ProofRecord): ProofFacts {
  const { outcome, txid, at, reasons } = latest;
  const passed = lastPassed?.txid === undefined ? undefined : { txid: lastPassed.txid, at: lastPassed.at };
  return {
    outcome,
    ...(txid === undefined ? {} : { txid }),
    at,
    reasons,
    ...(passed === undefined ? {} : { lastPassed: passed }),
  };
}

/** The ledgers of a process: one for each replica it holds. */
export class ProofLedgers {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Version of this program, for the records. */
  readonly tool: string;
  readonly #ledgers = new WeakMap<Replica, ProofLedger>();

  constructor(clock: Clock, log: Logger, tool: string) {
    this.#clock = clock;
    this.#log = log;
    this.tool = tool;
  }

  of(replica: Replica, name: string): ProofLedger {
    const found = this.#ledgers.get(replica) ?? new ProofLedger(replica, name, this.#clock, this.#log.with({ replica: name }));
    this.#ledgers.set(replica, found);
    return found;
  }
}
