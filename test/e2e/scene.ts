/** A directory with a configuration, databases that this process writes, and real `litestream` processes. */

import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, vi } from 'vitest';
import { ended, type Finished, kill, litestream, startLitestream } from '../../tools/processes.ts';

export interface Daemon {
  readonly child: ChildProcess;
  readonly output: () => string;
}

// Each command is a process of its own; together they take seconds on a quiet machine, and much longer on a busy one.
vi.setConfig({ testTimeout: 400_000 });

/** Generous: the machine may be busy. */
export const POLL = { timeout: 90_000, interval: 50 };

/** A daemon that was up sooner than this, ms, has waited until every database had said whether it can be replicated; else it need not have. */
const SETTLED = 5000;

export class Scene {
  readonly directory = mkdtempSync(join(tmpdir(), 'litestream-e2e-'));
  readonly #daemons: Daemon[] = [];
  readonly #databases = new Map<string, Database.Database>();

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** One database with one replica, `text` in front of it. No checkpoint comes by time: it would be a transaction that no test has made. */
  config(text = '', more = ''): void {
    writeFileSync(
      this.at('litestream.yml'),
      `${text}\ndbs:\n  - path: app.db\n    checkpoint-interval: 0\n${more}    replica:\n      type: file\n      path: replica\n      sync-interval: 50ms\n`,
    );
  }

  write(name: string, text: string): void {
    writeFileSync(this.at(name), text);
  }

  /** A connection of the application; the database is made if it is not there. */
  db(name = 'app.db'): Database.Database {
    let db = this.#databases.get(name);
    if (db === undefined) {
      db = new Database(this.at(name), { timeout: 10_000 });
      db.pragma('journal_mode = WAL');
      db.exec('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)');
      this.#databases.set(name, db);
    }
    return db;
  }

  insert(body: string, name = 'app.db'): void {
    this.db(name).prepare('INSERT INTO t (body) VALUES (?)').run(body);
  }

  closeDatabase(name = 'app.db'): void {
    this.#databases.get(name)?.close();
    this.#databases.delete(name);
  }

  /** All bodies in a restored database, which must be sound. */
  bodies(name: string): string[] {
    const db = new Database(this.at(name), { readonly: true });
    try {
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      return db
        .prepare<[], { body: string }>('SELECT body FROM t ORDER BY id')
        .all()
        .map(({ body }) => body);
    } finally {
      db.close();
    }
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Finished> {
    return litestream(this.directory, ...args);
  }

  /** The same with the scene's configuration; `args` begin with the command. */
  with(command: string, ...args: string[]): Promise<Finished> {
    return this.run(command, '-config', 'litestream.yml', ...args);
  }

  /** As `with`, and it must succeed. */
  async ok(command: string, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.with(command, ...args);
    expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  }

  async json(command: string, ...args: string[]): Promise<unknown> {
    return JSON.parse(await this.ok(command, '-json', ...args));
  }

  /** What the newest state of the replica holds. */
  async restored(...args: string[]): Promise<string[]> {
    const name = `restored-${Math.random().toString(36).slice(2)}.db`;
    await this.ok('restore', '-o', name, ...args, 'app.db');
    return this.bodies(name);
  }

  /** A daemon in the background, once it is running and every database is open or will not be for a reason. */
  async daemon(...args: string[]): Promise<Daemon> {
    const begun = performance.now();
    const daemon = this.start(...(args.length === 0 ? ['-config', 'litestream.yml'] : args));
    await said(daemon, 'is running');
    const config = args.length === 0 ? 'litestream.yml' : args[args.indexOf('-config') + 1];
    if (performance.now() - begun >= SETTLED && (args.length === 0 || args.includes('-config'))) {
      const states = async () => (await this.states('-config', config ?? '')).map(({ state }) => state);
      await expect.poll(states, POLL).not.toContain('starting');
    }
    return daemon;
  }

  /** The rows of `litestream status`. */
  async states(...args: string[]): Promise<readonly { readonly state: string }[]> {
    return JSON.parse((await this.run('status', '-json', ...args)).stdout) as { state: string }[];
  }

  start(...args: string[]): Daemon {
    const daemon = startLitestream(this.directory, 'replicate', ...args);
    this.#daemons.push(daemon);
    return daemon;
  }

  /** It is captured; whether it is at the replica already is another matter (`sync -wait`). */
  async replicates(database = 'app.db'): Promise<void> {
    await expect.poll(() => this.states('-config', 'litestream.yml', database), POLL).toMatchObject([{ state: 'replicating' }]);
  }

  ltxFiles(replica = 'replica', level = '0'): string[] {
    const directory = this.at(replica, 'ltx', level);
    return existsSync(directory)
      ? readdirSync(directory)
          .filter((name) => name.endsWith('.ltx'))
          .sort()
      : [];
  }

  async end(): Promise<void> {
    for (const { child } of this.#daemons) if (child.exitCode === null && child.signalCode === null) await kill(child);
    for (const name of [...this.#databases.keys()]) this.closeDatabase(name);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function said({ child, output }: Daemon, text: string): Promise<void> {
  await expect
    .poll(() => {
      if (child.exitCode !== null && !output().includes(text)) throw new Error(`it ended with ${child.exitCode}:\n${output()}`);
      return output();
    }, POLL)
    .toContain(text);
}

/** Asks it to end as Ctrl-C does; returns its exit status. */
export async function interrupt({ child }: Daemon): Promise<number | null> {
  child.kill('SIGINT');
  await ended(child);
  return child.exitCode;
}
