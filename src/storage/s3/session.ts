/** One client for all calls of a store, remade when the region or the credentials turn out to be others. */

import type { S3Client } from '@aws-sdk/client-s3';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { S3StoreSpec } from '../spec.ts';
import { makeClient } from './client.ts';
import { staticCredentials } from './credentials.ts';
import { type Attempt, failureOf, type Operation, s3Error } from './errors.ts';
import type { HTTPHandler, WireOptions } from './http-handler.ts';
import type { Plan } from './plan.ts';
import { discoverRegion, environmentRegion, FIRST_REGION, knownRegion, regionName } from './region.ts';

interface Connection {
  readonly client: S3Client;
  readonly region: string;
}

export interface Call {
  readonly operation: Operation;
  readonly key?: string;
  readonly signal?: AbortSignal | undefined;
  /** The answer's body goes to a consumer that may pause. */
  readonly streaming?: boolean;
}

export class Session {
  readonly #spec: S3StoreSpec;
  readonly #plan: Plan;
  readonly #handler: HTTPHandler;
  #connection: Promise<Connection> | undefined;
  /** What `#connection` has become. */
  #live: Connection | undefined;
  /** What the service has said, which wins over what was guessed. */
  #toldRegion: string | undefined;

  constructor(spec: S3StoreSpec, plan: Plan, handler: HTTPHandler) {
    this.#spec = spec;
    this.#plan = plan;
    this.#handler = handler;
  }

  /**
   * Runs one request. It is repeated once when the service names another region, and once with credentials read anew when those it has are
   * refused. Throws our errors, or the reason of the signal as soon as it fires.
   */
  async call<T>(call: Call, run: (client: S3Client, options: WireOptions) => Promise<T>): Promise<T> {
    const { signal, streaming = false } = call;
    let moved = false;
    let renewed = false;
    for (;;) {
      signal?.throwIfAborted();
      const connection = await orAbort(this.#connect(), signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw s3Error(error, this.attempt(call, undefined));
      });
      try {
        return await orAbort(run(connection.client, { streaming, ...(signal === undefined ? {} : { abortSignal: signal }) }), signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!moved && this.#move(connection, error)) {
          moved = true;
          continue;
        }
        const ours = s3Error(error, this.attempt(call, connection.region));
        if (ours.code !== 'CREDENTIALS_INVALID') throw ours;
        this.#forget(connection);
        if (renewed || staticCredentials(this.#spec) !== undefined) throw ours;
        renewed = true;
      }
    }
  }

  /** What a call is, for messages. */
  attempt({ operation, key }: Pick<Call, 'operation' | 'key'>, region?: string): Attempt {
    const { bucket } = this.#spec;
    return { operation, bucket, host: this.#plan.host, region: region ?? this.#toldRegion, ...(key === undefined ? {} : { key }) };
  }

  /** An answer that is not S3's, as an error. */
  unintelligible(call: Pick<Call, 'operation' | 'key'>, what: string): LitestreamError {
    const { bucket, host, operation, key } = this.attempt(call);
    return new LitestreamError(
      'RESPONSE_INVALID',
      `cannot ${operation} ${key === undefined ? '' : `${key} of `}s3://${bucket} at ${host}: the answer is not that of S3 (${what})`,
      {
        details: { store: 's3', bucket, host, operation, ...(key === undefined ? {} : { key }) },
        hint: 'Look at what stands between this machine and the service: a proxy, a login page, another kind of server.',
      },
    );
  }

  close(): void {
    this.#handler.destroy();
    this.#connection = undefined;
    this.#live = undefined;
  }

  #connect(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection;
    const connection = this.#open();
    this.#connection = connection;
    connection.then(
      (live) => {
        if (this.#connection === connection) this.#live = live;
      },
      () => {
        if (this.#connection === connection) this.#connection = undefined;
      },
    );
    return connection;
  }

  async #open(): Promise<Connection> {
    const known = this.#toldRegion ?? knownRegion(this.#spec, this.#plan);
    const client = this.#client(known);
    if (known !== undefined) return { client, region: known };
    const fromEnvironment = await environmentRegion(client);
    if (fromEnvironment !== undefined) return { client, region: fromEnvironment };
    const region = await discoverRegion(this.#client(FIRST_REGION), this.#spec.bucket);
    this.#toldRegion = region;
    return { client: this.#client(region), region };
  }

  #client(region: string | undefined): S3Client {
    return makeClient(this.#spec, this.#plan, this.#handler, region);
  }

  /** True when the answer names another region, with which the call is to be made again. */
  #move(connection: Connection, error: unknown): boolean {
    const failure = failureOf(error);
    if (failure?.region === undefined || failure.status === undefined || failure.status < 300 || failure.status >= 500) return false;
    const region = regionName(failure.region);
    // The header comes with every answer of AWS, also with those that have nothing to do with regions.
    if (region === connection.region) return false;
    this.#toldRegion = region;
    this.#forget(connection);
    return true;
  }

  /** The next call makes another one, unless another call has done so already. */
  #forget(connection: Connection): void {
    if (this.#live !== connection) return;
    this.#live = undefined;
    this.#connection = undefined;
  }
}
