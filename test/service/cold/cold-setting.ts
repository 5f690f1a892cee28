/** A setting whose databases may be cold. */

import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { ArmResult, ColdWatch, NoticedBy } from '../../../src/engine/cold/cold-watch.ts';
import { ColdWatcher } from '../../../src/engine/cold/cold-watcher.ts';
import type { ColdPlace } from '../../../src/engine/cold/fingerprint.ts';
import { openDatabaseEngine } from '../../../src/engine/db/database.ts';
import { type ColdCount, coldSupport } from '../../../src/service/cold/support.ts';
import type { ManagedDatabase } from '../../../src/service/managed-database.ts';
import { Setting } from '../setting.ts';

/** Ends with its signal only. */
const sleepForEver: Clock['sleep'] = (_ms, { signal } = {}) =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));

/** A watch that can be made deaf, and delayed. */
export class ScriptedWatch implements ColdWatch {
  readonly #inner = new ColdWatcher({
    ...systemClock,
    sleep: (ms, options) => (this.isSwept ? systemClock.sleep(ms, options) : sleepForEver(ms, options)),
  });
  /** False: events alone tell of changes. A look now and then may come before the event of the same change. */
  isSwept = true;
  isDeaf = false;
  isUnable = false;
  /** Runs after the engine was closed and before the watch is armed. */
  beforeArm: () => Promise<void> = async () => {};

  async arm(name: string, place: ColdPlace, onChange: (by: NoticedBy) => void): Promise<ArmResult> {
    await this.beforeArm();
    if (this.isUnable) return 'unwatchable';
    return this.isDeaf ? 'armed' : this.#inner.arm(name, place, onChange);
  }

  disarm(name: string): void {
    this.#inner.disarm(name);
  }
}

export class ColdSetting extends Setting {
  readonly watch = new ScriptedWatch();
  readonly coldCounts = new Map<ColdCount, number>();

  /** @param clock of who waits for a place among the open ones. */
  constructor(limit?: number, clock: Clock = systemClock) {
    super();
    const sharedId = randomBytes(8).toString('hex');
    this.cold = coldSupport({
      sharedId,
      clock,
      log: this.log,
      watch: this.watch,
      ...(limit === undefined ? {} : { limit }),
      count: (_path, what) => void this.coldCounts.set(what, (this.coldCounts.get(what) ?? 0) + 1),
    });
    this.openEngine = (settings, { floor }, { onEvent }) =>
      openDatabaseEngine(settings, { clock: systemClock, log: this.log, onEvent, floor, sharedId });
  }

  override async end(): Promise<void> {
    await super.end();
    this.cold?.locks.close();
  }

  /** Files of a database that this process has open. */
  descriptors(name = 'app'): string[] {
    const open = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return []; // closed meanwhile
      }
    });
    return open.filter((path) => path.startsWith(this.at(`${name}.db`)) || path.startsWith(this.at(`.${name}.db-litestream`)));
  }

  /** Full files since the first one. */
  fullFiles(): number {
    const synced = this.events.filter(({ event }) => event.type === 'synced' && event.fullReason !== undefined);
    return synced.length - 1;
  }
}

export const engineBecomes = (database: ManagedDatabase, state: string) =>
  expect.poll(async () => (await database.status()).engine.state, { interval: 10, timeout: 60_000 }).toBe(state);
