/** A run: servers that were started together, in one directory, and are ended together. */

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { CATALOGUE, whyNot } from './catalogue.ts';
import { StartLock } from './lock.ts';
import { endProcesses, identify, isAlive, killProcesses, type ProcessIdentity } from './process.ts';
import { Room } from './room.ts';
import type { ServiceAddresses, ServiceName, ServiceOptions } from './service.ts';
import { readJSON, writeWhole } from './whole-file.ts';

const ATTEMPTS = 3;
const BEING_MADE_MS = 60_000;
/** Added to the name of a run that is being removed. */
const ENDED = '.ended';

/** Where the runs of this user are. */
const runsDirectory = (): string => join(tmpdir(), `litestream-services-${userInfo().uid}`);

interface Owner {
  /** The process whose end is the end of the run; without it the run stays until it is stopped. */
  readonly process?: ProcessIdentity;
}

type Outcome<N extends ServiceName> = { readonly address: ServiceAddresses[N] } | { readonly failure: string };

export class Run {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A new run that ends at the latest when somebody sweeps after this process's end. */
  static ofThisProcess(): Run {
    mkdirSync(runsDirectory(), { recursive: true, mode: 0o711 });
    const path = mkdtempSync(join(runsDirectory(), 'run-'));
    chmodSync(path, 0o711); // servers that change their user have to be able to pass
    const owner = identify(process.pid);
    writeWhole(join(path, 'owner.json'), JSON.stringify({ process: owner }));
    return new Run(path);
  }

  /** The run of this name, which stays until it is stopped. */
  static named(name: string): Run {
    if (!/^[\w.-]+$/.test(name)) throw new Error(`"${name}" is no name for a run: letters, digits, "-" and "."`);
    const path = join(runsDirectory(), `named-${name}`);
    mkdirSync(path, { recursive: true, mode: 0o711 });
    writeWhole(join(path, 'owner.json'), '{}');
    return new Run(path);
  }

  /** Every run there is. */
  static all(): readonly Run[] {
    try {
      return readdirSync(runsDirectory()).map((name) => new Run(join(runsDirectory(), name)));
    } catch {
      return [];
    }
  }

  /** Ends and removes the runs whose owners died without doing so. */
  static async sweep(): Promise<void> {
    for (const run of Run.all()) if (run.#isLeftOver()) await run.stop();
  }

  #isLeftOver(): boolean {
    const owner = readJSON<Owner>(join(this.path, 'owner.json'));
    if (owner !== undefined) return owner.process !== undefined && !isAlive(owner.process);
    try {
      return Date.now() - statSync(this.path).mtimeMs > BEING_MADE_MS;
    } catch {
      return false;
    }
  }

  /**
   * Starts a server unless it runs; whoever asks meanwhile, in any process, waits for the same one. What could not be started once is not
   * tried again in this run.
   */
  async start<N extends ServiceName>(name: N, options: ServiceOptions = {}): Promise<ServiceAddresses[N]> {
    const done = join(this.path, `${name}.json`);
    const outcome = await new StartLock(this.path, name).once(
      () => readJSON<Outcome<N>>(done),
      async () => {
        const result = await this.#start(name, options);
        writeWhole(done, JSON.stringify(result));
        return result;
      },
    );
    if ('failure' in outcome) throw new Error(outcome.failure);
    return outcome.address;
  }

  async #start<N extends ServiceName>(name: N, options: ServiceOptions): Promise<Outcome<N>> {
    const reason = whyNot(name);
    if (reason !== undefined) return { failure: reason };
    let last: unknown;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const path = mkdtempSync(join(this.path, `${name}-`));
      try {
        return { address: await CATALOGUE[name].start(new Room(path), options) };
      } catch (error) {
        last = error;
        await endProcesses(Room.processes(path));
      }
    }
    const text =
      last instanceof Error ? [last.message, last.cause instanceof Error ? last.cause.message : ''].join(' ').trim() : String(last);
    return { failure: `the ${name} server did not start in ${ATTEMPTS} attempts: ${text}` };
  }

  /** The servers that were started, and whether all their processes are alive. */
  status(): readonly { readonly name: string; readonly alive: boolean; readonly address: unknown }[] {
    return readdirSync(this.path)
      .filter((file) => file.endsWith('.json') && file !== 'owner.json')
      .map((file) => {
        const name = file.slice(0, -'.json'.length);
        const outcome = readJSON<{ address?: unknown; failure?: string }>(join(this.path, file));
        return { name, alive: outcome?.address !== undefined && this.#isAlive(name), address: outcome?.address ?? outcome?.failure };
      });
  }

  #isAlive(name: string): boolean {
    const rooms = readdirSync(this.path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const own = rooms
      .filter((room) => room.name.slice(0, -'-XXXXXX'.length) === name)
      .map((room) => room.name)
      .sort((a, b) => this.#madeAt(a) - this.#madeAt(b));
    const last = own.at(-1);
    return last !== undefined && Room.processes(join(this.path, last)).every(isAlive);
  }

  #madeAt(room: string): number {
    return statSync(join(this.path, room)).birthtimeMs;
  }

  /** Ends every process of the run, waits for them, and removes its directory. */
  async stop(): Promise<void> {
    const path = this.#closed();
    try {
      await endProcesses(Room.processes(path));
    } finally {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  /** The same at once, without waiting for anything: for when this process is about to end. */
  kill(): void {
    const path = this.#closed();
    killProcesses(Room.processes(path));
    rmSync(path, { recursive: true, force: true });
  }

  /** Where the run is from now on: whoever is starting a server in it, in another process, finds its place gone and gives up. */
  #closed(): string {
    if (this.path.endsWith(ENDED)) return this.path;
    const path = `${this.path}${ENDED}`;
    try {
      renameSync(this.path, path);
      return path;
    } catch {
      return this.path;
    }
  }
}
