/** Objects in a bucket of S3, or of a service that speaks its language. */

import { type Clock, systemClock } from '../../base/clock.ts';
import { checkLiteralKey, checkLiteralPrefix } from '../key.ts';
import type {
  AbandonedOptions,
  CallOptions,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  OpenOptions,
  PutBody,
  PutOptions,
  StoreCapabilities,
} from '../object-store.ts';
import type { S3StoreSpec } from '../spec.ts';
import { endAbandoned } from './abandoned.ts';
import { Conditions } from './conditions.ts';
import { staticCredentials } from './credentials.ts';
import { Deleter, MAX_DELETE_BATCH } from './delete.ts';
import { HTTPHandler } from './http-handler.ts';
import { listObjects } from './listing.ts';
import { type UploadBudgets, uploadBudgets } from './part-buffers.ts';
import { type Plan, planOf } from './plan.ts';
import { openObject, statObject } from './reading.ts';
import { Session } from './session.ts';
import { uploadObject } from './upload.ts';

/** Shared by all stores of this thread. */
const sharedBudgets = uploadBudgets();

/** Collaborators, for tests. */
export interface S3StoreOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  /** Sends the signed requests. */
  readonly handler?: HTTPHandler;
  readonly budgets?: UploadBudgets;
}

/**
 * A bucket as an object store. Keys go out exactly as they are, also those that begin with `/` or `./` or hold `//`, which the original
 * writes in some configurations. Creation times are metadata, which only `stat` shows.
 */
export class S3Store implements ObjectStore {
  readonly type = 's3';
  readonly destination: string;
  readonly capabilities: StoreCapabilities;
  readonly #bucket: string;
  readonly #plan: Plan;
  readonly #session: Session;
  readonly #conditions: Conditions;
  readonly #deleter: Deleter;
  readonly #budgets: UploadBudgets;
  readonly #clock: Clock;

  /** CONFIG_INVALID for settings no request could be made with; nothing is contacted. */
  constructor(spec: S3StoreSpec, { env = process.env, clock = systemClock, handler, budgets = sharedBudgets }: S3StoreOptions = {}) {
    staticCredentials(spec);
    const plan = planOf(spec, env);
    const { provider } = plan;
    this.#plan = plan;
    this.#bucket = spec.bucket;
    this.#session = new Session(spec, plan, handler ?? new HTTPHandler({ skipVerify: spec.skipVerify ?? false, env }));
    this.#conditions = new Conditions(provider);
    this.#deleter = new Deleter(this.#session, spec.bucket, provider.batchDelete);
    this.#budgets = budgets;
    this.#clock = clock;
    this.destination = `s3://${spec.bucket}/${spec.path.replace(/^\/+/, '')}${plan.endpoint === undefined ? '' : ` at ${plan.endpoint}`}`;
    this.capabilities = {
      timestamps: 'stat',
      conditionalPut: provider.conditionalPut,
      conditionalReplace: provider.conditionalReplace,
      rangeRead: true,
      atomicPut: true,
      flatList: true,
      maxDeleteBatch: MAX_DELETE_BATCH,
      needsSize: false,
    };
  }

  async *list(prefix: string, { after, signal }: CallOptions & { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted();
    checkLiteralPrefix('list', prefix);
    yield* listObjects(this.#session, { bucket: this.#bucket, prefix, after, signal });
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    options.signal?.throwIfAborted();
    return openObject(this.#place('open', key), options);
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    options.signal?.throwIfAborted();
    const place = { ...this.#place('put', key), conditions: this.#conditions, budgets: this.#budgets, clock: this.#clock };
    const { size, tag } = await uploadObject(place, body, options);
    const { createdAt } = options;
    return { key, size, createdAt: createdAt ?? this.#clock.now(), tag, ...(createdAt === undefined ? { exactTime: false } : {}) };
  }

  async stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    options.signal?.throwIfAborted();
    return statObject(this.#place('stat', key), options);
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    for (const key of keys) checkLiteralKey('delete', key);
    if (keys.length > 0) await this.#deleter.delete(keys, options);
  }

  async endAbandoned(prefix: string, options: AbandonedOptions): Promise<number> {
    options.signal?.throwIfAborted();
    checkLiteralPrefix('list', prefix);
    return endAbandoned({ session: this.#session, plan: this.#plan, bucket: this.#bucket, clock: this.#clock }, prefix, options);
  }

  async close(): Promise<void> {
    this.#session.close();
  }

  #place(verb: string, key: string) {
    checkLiteralKey(verb, key);
    return { session: this.#session, plan: this.#plan, bucket: this.#bucket, key };
  }
}
