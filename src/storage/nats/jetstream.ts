/** The few requests of the JetStream API that an object store needs, spoken directly so that the server's own numbers of errors are kept. */

import { type Msg, headers as makeHeaders } from 'nats';
import { LitestreamError } from '../../base/errors.ts';
import { API_ERROR, JetStreamError } from './errors.ts';
import type { Link } from './link.ts';

/** What of a stream's settings matters here. */
export interface StreamConfig {
  readonly storage?: string;
  /** ns; 0 for none. */
  readonly max_age?: number;
  readonly max_bytes?: number;
  readonly discard?: string;
  readonly sealed?: boolean;
}

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  /** When the server stored it, ms since the epoch. */
  readonly time: number;
  readonly data: Buffer;
}

export interface ConsumerSettings {
  readonly filter: string;
  readonly deliver: 'all' | 'last_per_subject' | { readonly startSequence: number };
  /** Messages come without their content. */
  readonly headersOnly?: boolean;
}

export interface Consumer {
  readonly name: string;
  /** Messages it has to deliver. */
  readonly pending: number;
}

interface PublishSettings {
  /** Replaces all former messages of the subject. */
  readonly rollup?: boolean;
  /** Only if the last message of the subject is this one; 0 for none. */
  readonly expectedLast?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A consumer nobody asks is removed by the server after this, ns. */
const IDLE_CONSUMER_NS = 120e9;

const EMPTY = new Uint8Array(0);

export class JetStream {
  readonly stream: string;
  readonly link: Link;

  constructor(link: Link, bucket: string) {
    this.link = link;
    this.stream = `OBJ_${bucket}`;
  }

  async config(signal: AbortSignal | undefined): Promise<StreamConfig> {
    const { config } = await this.#ask(`STREAM.INFO.${this.stream}`, undefined, signal);
    if (!isObject(config)) throw unintelligible('STREAM.INFO');
    return config;
  }

  /** Differs between any two moments between which a message was stored or removed. */
  async fingerprint(signal: AbortSignal | undefined): Promise<string> {
    const { state } = await this.#ask(`STREAM.INFO.${this.stream}`, undefined, signal);
    if (!isObject(state) || typeof state.last_seq !== 'number' || typeof state.messages !== 'number') throw unintelligible('STREAM.INFO');
    return `${state.last_seq}/${state.messages}`;
  }

  /** Every subject of a pattern that has messages. */
  async subjects(pattern: string, signal: AbortSignal | undefined): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const { state, total } = await this.#ask(`STREAM.INFO.${this.stream}`, { subjects_filter: pattern, offset: found.length }, signal);
      if (!isObject(state)) throw unintelligible('STREAM.INFO');
      const page = isObject(state.subjects) ? Object.keys(state.subjects) : [];
      found.push(...page);
      // Large answers come in pages.
      if (page.length === 0 || typeof total !== 'number' || found.length >= total) return found;
    }
  }

  /** The last message of a subject without wildcards. */
  async last(subject: string, signal: AbortSignal | undefined): Promise<StoredMessage | undefined> {
    let answer: Record<string, unknown>;
    try {
      answer = await this.#ask(`STREAM.MSG.GET.${this.stream}`, { last_by_subj: subject }, signal);
    } catch (error) {
      if (error instanceof JetStreamError && error.errorCode === API_ERROR.noMessage) return undefined;
      throw error;
    }
    const { message } = answer;
    if (!isObject(message) || typeof message.seq !== 'number') throw unintelligible('STREAM.MSG.GET');
    return {
      subject,
      sequence: message.seq,
      time: typeof message.time === 'string' ? Date.parse(message.time) : Number.NaN,
      data: Buffer.from(typeof message.data === 'string' ? message.data : '', 'base64'),
    };
  }

  /** Stores a message and returns its sequence number. */
  async publish(subject: string, data: Uint8Array, { rollup = false, expectedLast, signal }: PublishSettings = {}): Promise<number> {
    // Headers count towards the largest payload: a chunk goes without any.
    const headers = rollup || expectedLast !== undefined ? makeHeaders() : undefined;
    if (rollup) headers?.set('Nats-Rollup', 'sub');
    if (expectedLast !== undefined) headers?.set('Nats-Expected-Last-Subject-Sequence', String(expectedLast));
    const answer = decode(await this.link.request(subject, data, { ...(headers === undefined ? {} : { headers }), signal }), 'publish');
    if (answer.stream !== this.stream || typeof answer.seq !== 'number') throw unintelligible('publish');
    return answer.seq;
  }

  /** Removes the messages of a subject; with `through` those up to that sequence number. */
  async purge(
    filter: string,
    { through, signal }: { readonly through?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    await this.#ask(`STREAM.PURGE.${this.stream}`, { filter, ...(through === undefined ? {} : { seq: through + 1 }) }, signal);
  }

  async createConsumer(
    name: string,
    { filter, deliver, headersOnly = false }: ConsumerSettings,
    signal: AbortSignal | undefined,
  ): Promise<Consumer> {
    const config = {
      name,
      ...(typeof deliver === 'string'
        ? { deliver_policy: deliver }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, deliver.startSequence) }),
      ack_policy: 'none',
      replay_policy: 'instant',
      filter_subject: filter,
      inactive_threshold: IDLE_CONSUMER_NS,
      num_replicas: 1,
      mem_storage: true,
      ...(headersOnly ? { headers_only: true } : {}),
    };
    const body = { stream_name: this.stream, config };
    const { num_pending: pending } = await this.#ask(`CONSUMER.CREATE.${this.stream}.${name}.${filter}`, body, signal);
    if (typeof pending !== 'number') throw unintelligible('CONSUMER.CREATE');
    return { name, pending };
  }

  /** A consumer that cannot be deleted now goes away by itself. */
  deleteConsumer(name: string): void {
    this.#ask(`CONSUMER.DELETE.${this.stream}.${name}`, undefined, undefined).catch(() => {});
  }

  async #ask(operation: string, body: object | undefined, signal: AbortSignal | undefined): Promise<Record<string, unknown>> {
    const payload = body === undefined ? EMPTY : new TextEncoder().encode(JSON.stringify(body));
    return decode(await this.link.request(`$JS.API.${operation}`, payload, { signal }), operation);
  }
}

function decode({ data }: Msg, operation: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
  } catch {
    throw unintelligible(operation);
  }
  if (!isObject(answer)) throw unintelligible(operation);
  const { error } = answer;
  if (!isObject(error)) return answer;
  const { code, err_code: errorCode, description } = error;
  throw new JetStreamError(
    Number(code ?? 0),
    Number(errorCode ?? 0),
    typeof description === 'string' ? description : 'refused without a reason',
  );
}

const unintelligible = (operation: string): LitestreamError =>
  new LitestreamError('RESPONSE_INVALID', `the answer to ${operation.split('.').slice(0, 3).join('.')} is not that of JetStream`, {
    hint: 'Look at what answers on that subject.',
  });

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
