/** A temporary directory and the processes of a bench; both are gone when it ends, however it ends. */

import { type ChildProcess, execFileSync, type ForkOptions, fork, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How long a process may take to end when asked, ms. */
const PATIENCE_MS = 15_000;

export class Scene {
  readonly directory: string;
  readonly #children = new Set<ChildProcess>();
  readonly #atExit = () => this.#vanish();
  readonly #onSignal = () => process.exit(130);

  private constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `bench-${name}-`));
    process.on('exit', this.#atExit);
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  /** Runs `work` with a scene that is cleared afterwards. The directory is below TMPDIR. */
  static async with<T>(name: string, work: (scene: Scene) => Promise<T>): Promise<T> {
    const scene = new Scene(name);
    try {
      return await work(scene);
    } finally {
      await scene.#end();
    }
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Starts a program. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return this.#keep(spawn(command, args, options));
  }

  /** Starts a module of this directory with a channel for messages. */
  fork(module: string, args: readonly string[], options: ForkOptions = {}): ChildProcess {
    const file = fileURLToPath(new URL(module, import.meta.url));
    return this.#keep(fork(file, args, { serialization: 'advanced', execArgv: [], ...options }));
  }

  /** Asks a process to end and waits for it. */
  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)));
    this.#vanish();
    process.off('exit', this.#atExit);
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Synchronous: it runs at exit too. */
  #vanish(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    this.remove(this.directory);
  }
}

/** Lets the disk finish what was written before, so that it is not charged to what is measured next. */
export function settleDisk(): void {
  execFileSync('sync');
}
