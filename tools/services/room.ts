/** The directory one server lives in: its files, its log, and a record of every process it consists of. */

import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from './process.ts';
import { findProgram } from './programs.ts';

const READY_MS = 60_000;

export class Room {
  /** Absolute. */
  readonly path: string;
  /** Added to the environment of everything that runs here. */
  readonly env: Record<string, string> = {};

  constructor(path: string) {
    this.path = path;
    if (!existsSync(path)) mkdirSync(path);
  }

  /** Path of something in the room. */
  at(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  directory(...names: readonly string[]): string {
    const path = this.at(...names);
    // Never together with the room: a run that has ended must not come back.
    if (!existsSync(path)) mkdirSync(path);
    return path;
  }

  write(name: string, text: string, mode = 0o600): string {
    const path = this.at(name);
    writeFileSync(path, text, { mode });
    return path;
  }

  /** Runs a program to its end and returns what it printed. */
  run(program: string, ...args: readonly string[]): string {
    const { status, stdout, stderr, error } = spawnSync(findProgram(program) ?? program, args, {
      encoding: 'utf8',
      cwd: this.path,
      env: { ...process.env, ...this.env },
      timeout: READY_MS,
    });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
    return stdout;
  }

  /** Starts a program that goes on after us; its process is recorded at once, its output goes to NAME.out. */
  start(name: string, program: string, ...args: readonly string[]): ProcessIdentity {
    const output = openSync(this.at(`${name}.out`), 'a', 0o600);
    const child = spawn(findProgram(program) ?? program, args, {
      cwd: this.path,
      env: { ...process.env, ...this.env },
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    child.on('error', () => {}); // the pid is missing then
    child.unref();
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) throw new Error(`${program} did not start: ${this.output(name)}`);
    writeFileSync(this.at(`${name}.process`), JSON.stringify(identity), { mode: 0o600 });
    return identity;
  }

  /** The end of what a started program has printed. */
  output(name: string): string {
    try {
      return readFileSync(this.at(`${name}.out`), 'utf8')
        .slice(-2_000)
        .trim();
    } catch {
      return '';
    }
  }

  /** Waits until `isReady`; fails when the process ends first or it takes too long, with what it printed. */
  async ready(name: string, identity: ProcessIdentity, isReady: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = performance.now() + READY_MS;
    while (!(await isReady())) {
      if (!isAlive(identity)) throw new Error(`${name} ended while it was starting: ${this.output(name)}`);
      if (performance.now() > deadline) throw new Error(`${name} was not ready after ${READY_MS / 1000} s: ${this.output(name)}`);
      await sleep(20);
    }
  }

  /** Every process recorded in a room, whether alive or not. */
  static processes(path: string): readonly ProcessIdentity[] {
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.process'))
      .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')) as ProcessIdentity);
  }
}

/** Below those that Linux gives away by itself: who asks for any port does not get one of these in between. */
const OWN_PORTS = { first: 11_000, count: 20_000 };

/** So many ports nobody uses now; whoever takes one in between makes the start fail, which is then repeated. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = OWN_PORTS.first + randomInt(OWN_PORTS.count);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('there is no free port');
  return port;
}

/** Whether something accepts connections there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
