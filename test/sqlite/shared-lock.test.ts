import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readOwner } from '../../src/sqlite/owner-lock.ts';
import type { Order } from './shared-lock-child.ts';

class Process {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(directory: string): Promise<Process> {
    const child = fork(fileURLToPath(new URL('./shared-lock-child.ts', import.meta.url)), [directory], { execArgv: [] });
    await once(child, 'message');
    const made = new Process(child);
    processes.push(made);
    return made;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The result, or the code of what was thrown. */
  async order(order: Order): Promise<unknown> {
    const answered = once(this.#child, 'message');
    this.#child.send(order);
    const [{ result, code }] = (await answered) as [{ result?: unknown; code?: string }];
    return code ?? result;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

let root: string;
let directory: string;
const processes: Process[] = [];
const locks = (): string[] => readdirSync(root).filter((name) => name.endsWith('.lock'));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shared-lock-'));
  directory = join(root, '.app.db-litestream');
  mkdirSync(directory);
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.kill()));
  rmSync(root, { recursive: true, force: true });
});

describe('a cold database', () => {
  test('has no lock of its own and still belongs to the process whose shared lock covers it', async () => {
    const [owner, other] = [await Process.start(directory), await Process.start(directory)];
    await owner.order('acquire');
    expect(await other.order('acquire')).toBe('DB_OWNED');
    await owner.order('goCold');
    expect(await other.order('acquire')).toBe('DB_OWNED');
    expect(await other.order('isOwned')).toBe(true);
    expect(readOwner(directory)).toMatchObject({ pid: owner.pid, shared: expect.stringMatching(/^\.\.\/\.litestream-cold-\w+\.lock$/) });
    expect(await owner.order('wake')).toBeUndefined();
    expect(readOwner(directory)).not.toHaveProperty('shared');
    expect(await other.order('acquire')).toBe('DB_OWNED');
  });

  test('is free as soon as the owner was killed, and what it left is swept by the next one', async () => {
    const [owner, other] = [await Process.start(directory), await Process.start(directory)];
    await owner.order('acquire');
    await owner.order('goCold');
    await owner.kill();
    expect(await other.order('isOwned')).toBe(false);
    expect(await other.order('acquire')).toBeUndefined();
    expect(locks()).toHaveLength(1);
    expect(await other.order('goCold')).toBe(join(root, locks()[0] ?? ''));
    expect(locks()).toHaveLength(1);
  });

  test('is free when the owner gave its shared lock up', async () => {
    const [owner, other] = [await Process.start(directory), await Process.start(directory)];
    await owner.order('acquire');
    await owner.order('goCold');
    await owner.order('leave');
    expect(locks()).toEqual([]);
    expect(await other.order('acquire')).toBeUndefined();
  });

  test('a lock that lives is not swept by a process that takes another one there', async () => {
    const second = join(root, '.other.db-litestream');
    mkdirSync(second);
    const [owner, other] = [await Process.start(directory), await Process.start(second)];
    for (const one of [owner, other]) {
      await one.order('acquire');
      await one.order('goCold');
    }
    expect(locks()).toHaveLength(2);
    expect(await owner.order('isIntact')).toBe(true);
    expect(await other.order('isIntact')).toBe(true);
  });

  test('its owner notices that the lock file was removed', async () => {
    const owner = await Process.start(directory);
    await owner.order('acquire');
    rmSync(String(await owner.order('goCold')));
    expect(await owner.order('isIntact')).toBe(false);
  });

  test('wakes although others look at it all the time, and never has two owners', async () => {
    const owner = await Process.start(directory);
    const others = await Promise.all([Process.start(directory), Process.start(directory)]);
    await owner.order('acquire');
    let done = false;
    const looking = others.map(async (other, index) => {
      const seen = new Set<unknown>();
      while (!done) seen.add(await other.order(index === 0 ? 'isOwned' : 'acquire'));
      return [...seen];
    });
    for (let round = 0; round < 60; round++) {
      await owner.order('goCold');
      expect(await owner.order('wake')).toBeUndefined();
    }
    done = true;
    expect(await Promise.all(looking)).toEqual([[true], ['DB_OWNED']]);
  });

  test('of two processes that want a dead owner’s database exactly one gets it', async () => {
    const owner = await Process.start(directory);
    const others = await Promise.all([Process.start(directory), Process.start(directory), Process.start(directory)]);
    await owner.order('acquire');
    await owner.order('goCold');
    await owner.kill();
    const results = await Promise.all(others.map((other) => other.order('acquire')));
    expect(results.filter((result) => result === undefined)).toHaveLength(1);
    expect(existsSync(join(directory, 'owner.json'))).toBe(true);
  });
});
