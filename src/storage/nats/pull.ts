/** Messages of a consumer, asked for in batches: what has not been asked for stays on the server. */

import { createInbox, type Msg, nuid, type Subscription } from 'nats';
import { LitestreamError } from '../../base/errors.ts';
import { LinkError } from './errors.ts';
import type { Consumer, ConsumerSettings, JetStream } from './jetstream.ts';

/** Longest wait for the next message unless told otherwise, ms. */
const MESSAGE_MS = 30_000;
/** Messages of the first batch; the next ones double. */
const FIRST_BATCH = 2;

export interface PulledMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Bytes the message has in the stream, also when it came without them. */
  readonly size: number;
  readonly sequence: number;
  /** When the server stored it, ms since the epoch. */
  readonly time: number;
  /** Messages that follow. */
  readonly pending: number;
}

export interface PullSettings extends ConsumerSettings {
  /** Largest number of messages asked for at once. */
  readonly batch: number;
  /** Longest wait for the next message, ms. */
  readonly waitMs?: number;
}

export class Pull {
  readonly #jetStream: JetStream;
  readonly #settings: PullSettings;
  readonly #signal: AbortSignal | undefined;
  readonly #queue: Msg[] = [];
  #subscription: Subscription | undefined;
  #consumer: Consumer | undefined;
  #arrived: (() => void) | undefined;
  #batch = FIRST_BATCH;
  /** Messages that exist, as far as known, and have not been asked for. */
  #left = 0;
  /** Messages asked for that have not been handed out. */
  #due = 0;
  #delivered = 0;
  /** Losses of the connection before the first batch was asked for. */
  #losses = 0;

  constructor(jetStream: JetStream, settings: PullSettings, signal: AbortSignal | undefined) {
    this.#jetStream = jetStream;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** Makes the consumer and tells how many messages there are. To be called once, before `next`. */
  async start(): Promise<number> {
    this.#consumer = await this.#jetStream.createConsumer(`litestream-${nuid.next()}`, this.#settings, this.#signal);
    this.#left = this.#consumer.pending;
    return this.#left;
  }

  /** The next message; undefined when there is none. */
  async next(): Promise<PulledMessage | undefined> {
    this.#signal?.throwIfAborted();
    if (this.#due === 0 || (this.#left > 0 && this.#due <= this.#batch / 4)) await this.#ask();
    const message = this.#queue.shift() ?? (await this.#await());
    const status = message.data.length === 0 ? (message.headers?.code ?? 0) : 0;
    if (status === 404 || status === 408) return undefined;
    if (status >= 400) throw consumerGone(`${status} ${message.headers?.description ?? ''}`.trim());
    const decoded = this.#decode(message);
    this.#due -= 1;
    if (this.#due === 0) this.#left = decoded.pending;
    return decoded;
  }

  close(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    if (this.#consumer !== undefined) this.#jetStream.deleteConsumer(this.#consumer.name);
    this.#consumer = undefined;
  }

  async #ask(): Promise<void> {
    const { link, stream } = this.#jetStream;
    if (this.#subscription === undefined) {
      this.#subscription = await link.subscribe(createInbox(), (message) => this.#receive(message), this.#signal);
      this.#losses = link.losses;
    }
    // One message is asked for even where none is known: the server's word that there is none is the proof.
    const batch = Math.max(1, Math.min(this.#batch, this.#left));
    this.#left = Math.max(0, this.#left - batch);
    this.#due += batch;
    this.#batch = Math.min(this.#settings.batch, this.#batch * 2);
    const request = new TextEncoder().encode(JSON.stringify({ batch, no_wait: true }));
    await link.publish(this.#subject(stream), request, this.#subscription.getSubject(), this.#signal);
  }

  #subject(stream: string): string {
    return `$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.#consumer?.name}`;
  }

  #receive(message: Msg): void {
    this.#queue.push(message);
    this.#arrived?.();
  }

  async #await(): Promise<Msg> {
    const { link, stream } = this.#jetStream;
    if (link.losses !== this.#losses) throw new LinkError('DISCONNECT', 'the connection was lost');
    let timer: NodeJS.Timeout | undefined;
    const arrival = new Promise<void>((resolve, reject) => {
      this.#arrived = resolve;
      timer = setTimeout(() => reject(new LinkError('TIMEOUT', 'no message in time')), this.#settings.waitMs ?? MESSAGE_MS);
    });
    try {
      await link.guard(this.#subject(stream), arrival, this.#signal);
    } finally {
      clearTimeout(timer);
      this.#arrived = undefined;
    }
    const message = this.#queue.shift();
    if (message === undefined) throw new LitestreamError('INTERNAL', 'a message was announced that did not come');
    return message;
  }

  /** Position and time stand in the subject for acknowledgements: `$JS.ACK.[domain.account.]stream.consumer.count.sequence.number.time.pending`. */
  #decode(message: Msg): PulledMessage {
    const tokens = (message.reply ?? '').split('.');
    const [, sequence, number, time, pending] = tokens.slice(tokens.length >= 11 ? 6 : 4).map(Number);
    this.#delivered += 1;
    if (sequence === undefined || time === undefined || pending === undefined || Number.isNaN(sequence + time + pending))
      throw new LitestreamError('RESPONSE_INVALID', `a message of ${this.#jetStream.stream} came without its position`);
    // What was lost on the way leaves a gap in the consumer's own numbers.
    if (number !== this.#delivered) throw consumerGone(`message ${this.#delivered} was lost`);
    const size = message.headers?.get('Nats-Msg-Size');
    return {
      subject: message.subject,
      data: message.data,
      size: size ? Number(size) : message.data.length,
      sequence,
      time: time / 1e6,
      pending,
    };
  }
}

const consumerGone = (reason: string): LitestreamError =>
  new LitestreamError('STORAGE_UNAVAILABLE', `reading from the NATS server was broken off: ${reason}`);
