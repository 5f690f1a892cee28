/** Restores from a replica whose files are merged and deleted all the time. */

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Scene } from './scene.ts';

const SETTINGS = [
  'levels: [{interval: 300ms}, {interval: 1s}]',
  'snapshot: {interval: 2s, retention: 3s}',
  'l0-retention: 300ms',
  'l0-retention-check-interval: 300ms',
].join('\n');

const ROWS = 40;
const RESTORES = 10;

interface ListedFile {
  readonly level: number;
  readonly max_txid: string;
  readonly timestamp: string;
}

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

/** An application whose every state follows from its number, and the moment of each. */
class Numbered {
  readonly committedAt: number[] = [];
  readonly #db: Database.Database;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(db: Database.Database) {
    this.#db = db;
    for (let id = 1; id <= ROWS; id++) db.prepare('INSERT INTO t (id, body) VALUES (?, ?)').run(id, bodyOf(id, 0));
    this.committedAt[0] = Date.now();
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const update = this.#db.prepare('UPDATE t SET body = ? WHERE id = ?');
    for (let state = 1; !this.#stopped; state++) {
      const at = Date.now();
      this.#db.transaction(() => {
        // Row 1 has the number of the state; each other one that of the last state that changed it.
        for (const id of new Set([1, 2 + (state % (ROWS - 1))])) update.run(bodyOf(id, state), id);
      })();
      this.committedAt[state] = at;
      await sleep(10);
    }
  }
}

const bodyOf = (id: number, state: number): string => `${state}:${`${id}-${state} `.repeat(60)}`;

/** The number of the state a restored database is in; fails when it is in none. */
function stateOf(path: string): number {
  const db = new Database(path, { readonly: true });
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const rows = db.prepare<[], { id: number; body: string }>('SELECT id, body FROM t ORDER BY id').all();
    const state = Number.parseInt(rows[0]?.body ?? '', 10);
    const last = new Map<number, number>();
    for (let one = 1; one <= state; one++) last.set(2 + (one % (ROWS - 1)), one);
    const expected = Array.from({ length: ROWS }, (_, at) => ({
      id: at + 1,
      body: bodyOf(at + 1, at === 0 ? state : (last.get(at + 1) ?? 0)),
    }));
    expect(rows).toEqual(expected);
    return state;
  } finally {
    db.close();
  }
}

test('ten restores in a row while everything they plan with is being deleted: each gives the state it names, or says that it is gone', {
  timeout: 600_000,
}, async () => {
  scene.config(SETTINGS);
  const application = new Numbered(scene.db());
  await scene.daemon();
  await scene.replicates();
  application.start();
  await sleep(4000);

  const states = new Map<string, number>();
  let gone = 0;
  try {
    for (let at = 0; at < RESTORES; at++) {
      const files = (await scene.json('ltx', '-level', 'all', 'app.db')) as ListedFile[];
      const file = files[(at * 7) % files.length];
      if (file === undefined) throw new Error('nothing is listed');
      const newest = files.map(({ max_txid }) => max_txid).reduce((a, b) => (a > b ? a : b));
      const moment = Date.parse(file.timestamp) + 1;
      const target = [[], ['-txid', file.max_txid], ['-timestamp', new Date(moment).toISOString()]][at % 3] ?? [];
      const begun = Date.now();
      const { status, stdout, stderr } = await scene.with('restore', '-json', '-o', `${at}.db`, ...target, 'app.db');
      if (status !== 0) {
        gone += 1;
        const { error } = JSON.parse(stderr) as { error: { code: string; hint?: string } };
        expect(at % 3, stderr).toBeGreaterThan(0);
        expect(error.code, stderr).toMatch(/^(TX_NOT_AVAILABLE|TIME_OUT_OF_RANGE)$/);
        expect(status).toBe(4);
        continue;
      }
      const { txid } = JSON.parse(stdout) as { txid: string };
      const state = stateOf(scene.at(`${at}.db`));
      if (at % 3 === 0) {
        expect(txid >= newest, `${txid} is the newest state, and ${newest} was listed before`).toBe(true);
        expect(begun - (application.committedAt[state + 1] ?? begun), 'the age of the newest state, ms').toBeLessThan(60_000);
      }
      if (at % 3 === 1) expect(txid).toBe(file.max_txid);
      if (at % 3 === 2) expect(application.committedAt[state]).toBeLessThanOrEqual(moment);
      expect(states.get(txid) ?? state, `transaction ${txid}`).toBe(state);
      states.set(txid, state);
    }
  } finally {
    await application.stop();
  }
  console.log(`${states.size} states restored, ${gone} gone`);
  expect(RESTORES - gone).toBeGreaterThan(3);
  expect(states.size).toBeGreaterThan(1);
  const inOrder = [...states].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, state]) => state);
  expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
});
