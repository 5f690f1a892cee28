/** What verifications of a replica have shown, as the small object that is kept beside its files (docs/engine.md, Proof). */

import { formatTXID, parseTXID, type TXID } from '../formats/ltx/txid.ts';

/** Name of the object; outside the levels, so that readers of LTX files never see it. */
export const PROOF_RECORD_NAME = 'litestream-proof.json';

const VERSION = 1;
/** Clocks of two machines may differ by this much, ms; a record that is further in the future is not believed. */
const CLOCK_TOLERANCE = 10 * 60_000;
const MOST_REASONS = 10;
const LONGEST_REASON = 1000;
const HEX16 = /^[0-9a-f]{16}$/;

/** The pages of a database as one number: equal sets have equal sums. */
export interface PageSet {
  /** XOR of the checksums of all pages but the lock page, bit 63 set (docs/formats/ltx.md, Checksums); 16 hex digits. */
  readonly checksum: string;
  readonly pages: number;
  /** Bytes. */
  readonly pageSize: number;
}

/** The outcome of one verification. */
export interface Proof {
  readonly outcome: 'passed' | 'failed' | 'inconclusive';
  /** State that was rebuilt; absent when nothing could be. */
  readonly txid?: TXID;
  /** ms since the epoch. */
  readonly at: number;
  readonly durationMs: number;
  /** Whole sentences without secrets; empty when passed. */
  readonly reasons: readonly string[];
  /** Of the state that was rebuilt. */
  readonly pageSet?: PageSet;
  /** Every page was found equal to the live database's, then or by an earlier verification of the same state. */
  readonly compared: boolean;
  /** Version of the program that verified. */
  readonly tool: string;
}

export interface ProofRecord {
  /** Name of the replica, as the writer of the record calls it. */
  readonly replica: string;
  readonly latest: Proof;
  /** The newest one that passed. */
  readonly lastPassed?: Proof;
  /** The newest one that failed, for as long as none has passed since. */
  readonly standing?: Proof;
}

/** The record after one more verification. */
export function addProof(record: ProofRecord | undefined, replica: string, proof: Proof): ProofRecord {
  const lastPassed = proof.outcome === 'passed' ? proof : record?.lastPassed;
  const standing = proof.outcome === 'failed' ? proof : proof.outcome === 'passed' ? undefined : record?.standing;
  return {
    replica,
    latest: proof,
    ...(lastPassed === undefined ? {} : { lastPassed }),
    ...(standing === undefined ? {} : { standing }),
  };
}

/**
 * UTF-8 JSON.
 *
 * @param discreet of an encrypted replica: what SQLite says of a damaged database names its tables, and stays out.
 */
export function encodeProofRecord({ replica, latest, lastPassed, standing }: ProofRecord, { discreet = false } = {}): Uint8Array {
  const toJSON = (proof: Proof) => fieldsOf(discreet ? { ...proof, reasons: proof.reasons.map(withoutDetail) } : proof);
  const text = JSON.stringify(
    {
      version: VERSION,
      replica,
      latest: toJSON(latest),
      ...(lastPassed === undefined ? {} : { last_passed: toJSON(lastPassed) }),
      ...(standing === undefined ? {} : { standing_failure: toJSON(standing) }),
    },
    null,
    2,
  );
  return new TextEncoder().encode(`${text}\n`);
}

/** Undefined for a record that is damaged, of a later form, or from the future: it counts as none. */
export function decodeProofRecord(bytes: Uint8Array, now: number): ProofRecord | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isObject(json) || json.version !== VERSION || typeof json.replica !== 'string') return undefined;
    const latest = fromJSON(json.latest, now);
    const lastPassed = json.last_passed === undefined ? undefined : fromJSON(json.last_passed, now);
    const standing = json.standing_failure === undefined ? undefined : fromJSON(json.standing_failure, now);
    if ((lastPassed?.outcome ?? 'passed') !== 'passed' || (standing?.outcome ?? 'failed') !== 'failed') return undefined;
    return {
      replica: json.replica,
      latest,
      ...(lastPassed === undefined ? {} : { lastPassed }),
      ...(standing === undefined ? {} : { standing }),
    };
  } catch {
    return undefined;
  }
}

/** The sentence up to its colon. */
const withoutDetail = (reason: string): string => (reason.includes(': ') ? `${reason.slice(0, reason.indexOf(': '))}.` : reason);

function fieldsOf({ outcome, txid, at, durationMs, reasons, pageSet, compared, tool }: Proof): Record<string, unknown> {
  return {
    outcome,
    ...(txid === undefined ? {} : { txid: formatTXID(txid) }),
    at: new Date(at).toISOString(),
    duration_ms: Math.round(durationMs),
    tool,
    compared,
    ...(pageSet === undefined ? {} : { page_set: { checksum: pageSet.checksum, pages: pageSet.pages, page_size: pageSet.pageSize } }),
    reasons: reasons.slice(0, MOST_REASONS).map((reason) => reason.slice(0, LONGEST_REASON)),
  };
}

/** Throws anything for what is not a proof. */
function fromJSON(json: unknown, now: number): Proof {
  if (!isObject(json)) throw new TypeError('not a proof');
  const { outcome, txid, at, duration_ms: durationMs, tool, compared, page_set: pageSet, reasons } = json;
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (outcome !== 'passed' && outcome !== 'failed' && outcome !== 'inconclusive') throw new TypeError('no outcome');
  if (!Number.isFinite(time) || time > now + CLOCK_TOLERANCE) throw new TypeError('no time that can be');
  if (outcome === 'passed' && txid === undefined) throw new TypeError('no transaction');
  const words = Array.isArray(reasons) ? reasons.filter((reason) => typeof reason === 'string') : [];
  const set = pageSet === undefined ? undefined : pageSetOf(pageSet);
  return {
    outcome,
    ...(txid === undefined ? {} : { txid: parseTXID(text(txid)) }),
    at: time,
    durationMs: typeof durationMs === 'number' && durationMs >= 0 ? durationMs : 0,
    tool: typeof tool === 'string' ? tool.slice(0, 100) : '',
    compared: compared === true,
    ...(set === undefined ? {} : { pageSet: set }),
    reasons: words.slice(0, MOST_REASONS).map((reason) => reason.slice(0, LONGEST_REASON)),
  };
}

function pageSetOf(json: unknown): PageSet {
  if (!isObject(json)) throw new TypeError('not a set of pages');
  const { checksum, pages, page_size: pageSize } = json;
  if (!HEX16.test(text(checksum)) || !isCount(pages) || !isCount(pageSize)) throw new TypeError('not a set of pages');
  return { checksum: text(checksum), pages, pageSize };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value > 0;

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}
