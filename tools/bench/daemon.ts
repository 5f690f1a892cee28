/** `litestream replicate` as a process of its own, as a user starts it. */

import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Exposition } from './metrics.ts';
import { schedule } from './proc.ts';
import type { Scene } from './scene.ts';

const LAUNCHER = fileURLToPath(new URL('../../src/launcher/litestream', import.meta.url));
const START_PATIENCE_MS = 60_000;
/** No new files for so long: the daemon has nothing left to do. Longer than any interval in a bench. */
const QUIET_MS = 1500;

export interface DaemonOptions {
  /** Absolute paths; they must be in different directories or have different names. */
  readonly databases: readonly string[];
  /** Lines of the configuration besides `addr` and `dbs`, such as `sync-interval: 20ms`. */
  readonly settings?: readonly string[];
  /** The same for each database, such as `monitor-interval: 20ms`. */
  readonly databaseSettings?: readonly string[];
  /** The databases are those of this directory, which `databaseSettings` are then for. */
  readonly directory?: string;
  /** How long they may take until each has its first file at its replica, ms; default a minute. */
  readonly patienceMs?: number;
  readonly nodeFlags?: readonly string[];
}

export class Daemon {
  readonly #scene: Scene;
  readonly #process: ChildProcess;
  readonly #options: DaemonOptions;
  /** performance.now() at the start of the process. */
  readonly spawnedAt = performance.now();
  #startedIn = 0;
  #metricsURL: string | undefined;

  private constructor(scene: Scene, child: ChildProcess, options: DaemonOptions) {
    this.#scene = scene;
    this.#process = child;
    this.#options = options;
  }

  /** Resolves when every database has its first file at its replica and nothing more is coming. */
  static async start(scene: Scene, options: DaemonOptions): Promise<Daemon> {
    const config = scene.path('litestream.yml');
    writeFileSync(config, configuration(scene, options));
    const log = openSync(scene.path('daemon.log'), 'w');
    const flags = [...profileFlags(), ...(options.nodeFlags ?? [])];
    const child = scene.spawn(LAUNCHER, ['replicate', '-config', config], {
      stdio: ['ignore', log, log],
      ...(flags.length === 0 ? {} : { env: { ...process.env, NODE_OPTIONS: flags.join(' ') } }),
    });
    closeSync(log);
    const daemon = new Daemon(scene, child, options);
    await daemon.#untilReady();
    return daemon;
  }

  /** From the start of the process until every database had its first file at its replica, ms. */
  get startedIn(): number {
    return this.#startedIn;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async metrics(): Promise<Exposition> {
    this.#metricsURL ??= await this.#findMetrics();
    const response = await fetch(this.#metricsURL);
    return new Exposition(await response.text());
  }

  /** Level-0 files at the replica of a database, by name. */
  replicaFiles(database: string): string[] {
    const directory = replicaLevel0(this.#scene, database);
    return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.ltx')) : [];
  }

  /** Resolves when no replica has had a new file for a while. */
  async untilQuiet(): Promise<void> {
    const count = (): number => this.#options.databases.reduce((sum, database) => sum + this.replicaFiles(database).length, 0);
    for (let before = -1, now = count(); before !== now; now = count()) {
      before = now;
      await sleep(QUIET_MS);
    }
  }

  /** Starts counting; the function returned tells what share of the time that the daemon wanted a processor since then it had to wait for one. */
  crowding(): () => number {
    const before = schedule(this.pid);
    return () => {
      const after = schedule(this.pid);
      const waited = after.waited - before.waited;
      return waited / (waited + after.ran - before.ran);
    };
  }

  async stop(): Promise<void> {
    await this.#scene.stop(this.#process);
  }

  /** The system has chosen the port; the daemon tells it once it runs. */
  async #findMetrics(): Promise<string> {
    const deadline = performance.now() + (this.#options.patienceMs ?? START_PATIENCE_MS);
    for (;;) {
      const log = readFileSync(this.#scene.path('daemon.log'), 'utf8');
      const [, url] = /^ {2}metrics +(http:\S+)$/m.exec(log) ?? [];
      if (url !== undefined) return url;
      if (performance.now() > deadline) throw new Error(`the daemon does not say where its metrics are:\n${log}`);
      await sleep(50);
    }
  }

  async #untilReady(): Promise<void> {
    const begun = performance.now();
    const deadline = begun + (this.#options.patienceMs ?? START_PATIENCE_MS);
    const waiting = new Set(this.#options.databases);
    const isReady = (): boolean => {
      for (const database of waiting) if (this.replicaFiles(database).length > 0) waiting.delete(database);
      return waiting.size === 0;
    };
    while (!isReady()) {
      if (performance.now() > deadline || this.#process.exitCode !== null) {
        throw new Error(`the daemon did not start:\n${readFileSync(this.#scene.path('daemon.log'), 'utf8')}`);
      }
      await sleep(50);
    }
    this.#startedIn = performance.now() - begun;
    await this.untilQuiet();
  }
}

/** Where the level-0 files of a database appear. */
export const replicaLevel0 = (scene: Scene, database: string): string => join(replicaOf(scene, database), 'ltx', '0');

const replicaOf = (scene: Scene, database: string): string => scene.path('replicas', basename(database));

function configuration(scene: Scene, options: DaemonOptions): string {
  const { databases, directory, settings = [], databaseSettings = [] } = options;
  const lines = ['addr: 127.0.0.1:0', ...settings, 'dbs:'];
  if (directory !== undefined) {
    lines.push(`  - dir: ${directory}`, ...databaseSettings.map((line) => `    ${line}`));
    lines.push('    replica:', '      type: file', `      path: ${scene.path('replicas')}`);
    return `${lines.join('\n')}\n`;
  }
  for (const path of databases) {
    lines.push(`  - path: ${path}`, ...databaseSettings.map((line) => `    ${line}`));
    lines.push('    replica:', '      type: file', `      path: ${replicaOf(scene, path)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** BENCH_PROFILE names a directory for processor profiles of the daemons. */
function profileFlags(): string[] {
  const directory = process.env.BENCH_PROFILE;
  return directory === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', directory];
}
