/** A replica, a follower in this process, and readers of its copy in processes of their own. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { type Begun, beginFollowing } from '../../../src/engine/follow/begin.ts';
import { type FollowDisk, followDisk } from '../../../src/engine/follow/disk.ts';
import type { FollowTools } from '../../../src/engine/follow/follower.ts';
import type { FollowNote, FollowRequest } from '../../../src/engine/follow/request.ts';
import { layoutFor } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { FileStore } from '../../../src/storage/file/file.ts';
import { App } from '../../support/app-process.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { Primary, withoutCounters } from './primary.ts';

export class Scene {
  readonly directory = mkdtempSync(join(tmpdir(), 'litestream-follow-'));
  readonly root = join(this.directory, 'replica');
  readonly copy = join(this.directory, 'copy.db');
  readonly notes: FollowNote[] = [];
  readonly stop = new AbortController();
  readonly store = new FaultStore(new FileStore({ type: 'file', path: this.root }));
  readonly primary: Primary;
  disk: FollowDisk = followDisk;
  readonly #open: Begun[] = [];
  readonly #apps: App[] = [];

  constructor(seed = 1, pageSize = 1024) {
    this.primary = new Primary(this.root, seed, pageSize);
  }

  get request(): FollowRequest {
    return { output: this.copy, intervalMs: 10, integrity: 'none' };
  }

  tools(): FollowTools {
    return {
      source: new Replica(this.store, layoutFor('file')),
      disk: this.disk,
      clock: systemClock,
      guard: { assertUnused: () => {} },
      checkIntegrity: async () => {},
      signal: this.stop.signal,
      onNote: (note) => this.notes.push(note),
    };
  }

  async begin(): Promise<Begun> {
    const begun = await beginFollowing(this.request, this.tools());
    this.#open.push(begun);
    return begun;
  }

  /** Rounds until there is nothing more to apply. */
  async catchUp({ follower }: Begun): Promise<void> {
    while (await follower.round());
  }

  /** One application that reads; its connection is `main`. */
  async reader(): Promise<App> {
    const app = await App.start(this.copy);
    this.#apps.push(app);
    return app;
  }

  /** The copy holds the state of `txid`, page by page; read by another process. */
  async expectState(app: App, txid = this.primary.txid): Promise<void> {
    const bytes = await app.run((_, path: string) => new Uint8Array(process.getBuiltinModule('node:fs').readFileSync(path)), this.copy);
    expect(withoutCounters(bytes).equals(withoutCounters(this.primary.images.get(txid) ?? Buffer.alloc(0))), `state of ${txid}`).toBe(true);
  }

  kinds(): string[] {
    return this.notes.map(({ type }) => type);
  }

  close(begun: Begun): void {
    begun.close();
    this.#open.splice(this.#open.indexOf(begun), 1);
  }

  async end(): Promise<void> {
    for (const begun of this.#open) begun.close();
    await Promise.all(this.#apps.map((app) => app.stop()));
    this.primary.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * What a reader sees in one transaction: the sums, which must be equal, and the number of transactions. It does not write, but it may put back
 * what a crash left, which a connection opened for reading only may not.
 */
export const look = (app: App): Promise<{ readonly n: number; readonly ok: boolean; readonly check: string }> =>
  app.run(({ open }) => {
    const db = open('main');
    db.pragma('query_only = 1');
    return db.transaction(() => {
      const sum = (table: string) => db.prepare(`SELECT coalesce(sum(value), 0) FROM ${table}`).pluck().get() as number;
      return {
        n: db.prepare('SELECT n FROM n').pluck().get() as number,
        ok: sum('a') === sum('b'),
        check: String(db.pragma('quick_check', { simple: true })),
      };
    })();
  });
