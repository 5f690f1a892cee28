/** One destination behind a fault proxy, opened as the product opens it. */

import { afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { LogFields, Logger, LogLevel } from '../../../src/base/log.ts';
import { openReplica } from '../../../src/replica/open.ts';
import type { Replica } from '../../../src/replica/replica.ts';
import { bytesBody, readAll } from '../../../src/storage/body.ts';
import type { ObjectStore, OpenOptions } from '../../../src/storage/object-store.ts';
import { prefixInStore } from '../../../src/storage/place.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { randomFrom } from '../../support/random.ts';
import { available, SERVICE_START_MS } from '../../support/services.ts';
import { TCPFaultProxy } from '../../support/tcp-fault-proxy.ts';
import { unique } from '../containers.ts';
import type { Backend, HTTPBackend, Place } from './backend.ts';

/** Ten attempts, as in production, without the waiting. */
export const QUICK = { attempts: 10, initialMs: 2, capMs: 20, jitter: 0.5 };

export interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

export class Rig<B extends Backend> {
  readonly backend: B;
  readonly place: Place;
  readonly proxy: B extends HTTPBackend ? FaultProxy : TCPFaultProxy;
  readonly lines: Line[] = [];
  readonly #open: Replica[] = [];

  constructor(backend: B, place: Place, proxy: FaultProxy | TCPFaultProxy) {
    this.backend = backend;
    this.place = place;
    this.proxy = proxy as Rig<B>['proxy'];
  }

  /** Another one for each test. */
  readonly path = unique('replica');

  get spec(): StoreSpec {
    return this.place.through(this.proxy.port, this.path);
  }

  /** Requests or connections so far. */
  get asked(): number {
    return this.proxy instanceof FaultProxy ? this.proxy.seen.length : this.proxy.accepted;
  }

  /** A key of this destination. */
  key(name: string): string {
    const prefix = prefixInStore(this.spec);
    return prefix === '' ? `ltx/0/${name}.ltx` : `${prefix}/ltx/0/${name}.ltx`;
  }

  get prefix(): string {
    return this.key('').replace(/\.ltx$/, '');
  }

  /** The store behind the proxy with all its wrappers. */
  async open(spec: StoreSpec = this.spec, clock: Clock = systemClock): Promise<ObjectStore> {
    return (await this.replica(spec, clock)).store;
  }

  /** The same as a replica. */
  async replica(spec: StoreSpec = this.spec, clock: Clock = systemClock): Promise<Replica> {
    const replica = await openReplica(spec, { clock, log: this.log, retry: { settings: QUICK } });
    this.#open.push(replica);
    return replica;
  }

  /** The same destination without the proxy. */
  direct(): Promise<ObjectStore> {
    return this.open(this.place.through(this.place.target.port, this.path));
  }

  readonly log: Logger = {
    log: (level, message, fields = {}) => void this.lines.push({ level, message, fields }),
    with: () => this.log,
  };

  messages(level: LogLevel): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  async end(): Promise<void> {
    this.proxy.heal();
    await this.proxy.stop();
    await Promise.all(this.#open.map((replica) => replica.close()));
  }
}

/** The tests of one fault, for each of `backends`, every one with a proxy of its own. */
export function fault<B extends Backend>(row: string, backends: readonly B[], tests: (rig: () => Rig<B>, backend: B) => void): void {
  describe(row, () => {
    for (const backend of backends) {
      const missing = available(backend.service);
      describe.skipIf(missing !== undefined)(backend.name, () => {
        let place: Place;
        let rig: Rig<B>;
        beforeAll(async () => {
          place = await backend.prepare();
        }, SERVICE_START_MS);
        beforeEach(async () => {
          const { host, port } = place.target;
          rig = new Rig(
            backend,
            place,
            backend.kind === 'http' ? await FaultProxy.start(`http://${host}:${port}`) : await TCPFaultProxy.start(place.target),
          );
        });
        afterEach(() => rig?.end());
        tests(() => rig, backend);
      });
    }
  });
}

/** Content that is not the same anywhere. */
export function content(length: number, seed = 1): Buffer {
  const random = randomFrom(seed);
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256));
}

export const put = (store: ObjectStore, key: string, bytes: Uint8Array, options: { ifAbsent?: boolean; signal?: AbortSignal } = {}) =>
  store.put(key, bytesBody(bytes), { createdAt: Date.UTC(2026, 0, 1), ...options });

export const get = async (store: ObjectStore, key: string, options: OpenOptions = {}): Promise<Buffer> =>
  Buffer.from(await readAll(await store.open(key, options)));

export const keys = async (store: ObjectStore, prefix: string): Promise<string[]> => {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
};

/** Fails with the place of the first difference: whole bodies are no use in a message. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  const length = Math.min(actual.length, expected.length);
  let same = 0;
  while (same < length && actual[same] === expected[same]) same++;
  expect({ length: actual.length, same }).toEqual({ length: expected.length, same: expected.length });
}
