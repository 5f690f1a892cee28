/** File systems that run full or turn read-only, for tests that may mount: as root on Linux. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

/** Why nothing can be mounted here; undefined when it can. */
function whyNoMounts(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'litestream-mount-'));
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory);
    run('umount', directory);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

let isTold = false;

/** A `describe` for tests that mount; where they cannot, it is skipped and the reason is printed, once a file. */
export function describeWithMounts(title: string, tests: () => void): void {
  const reason = whyNoMounts();
  if (reason !== undefined && !isTold) console.warn(`skipped: full and read-only file systems: nothing can be mounted here (${reason})`);
  isTold ||= reason !== undefined;
  describe.skipIf(reason !== undefined)(title, tests);
}

export class Mounts {
  readonly #paths: string[] = [];

  /** An empty file system of `size` at `path`, such as `2m`. */
  small(path: string, size: string): void {
    mkdirSync(path, { recursive: true });
    run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path);
    this.#paths.push(path);
  }

  grow(path: string, size: string): void {
    run('mount', '-o', `remount,size=${size}`, path);
  }

  /** What is at `path` can be read and not written, until `allowWrites`. */
  forbidWrites(path: string): void {
    if (!this.#paths.includes(path)) {
      run('mount', '--bind', path, path);
      this.#paths.push(path);
    }
    run('mount', '-o', 'remount,bind,ro', path);
  }

  allowWrites(path: string): void {
    run('mount', '-o', 'remount,bind,rw', path);
  }

  release(): void {
    for (const path of this.#paths.reverse()) spawnSync('umount', ['-l', path]);
    this.#paths.length = 0;
  }
}
