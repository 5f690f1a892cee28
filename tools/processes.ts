/** Starting, asking and killing `litestream` processes, for programs that look after the repository and for tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** As the launcher starts what moves data. */
const PROGRAM = ['--expose-gc', '--no-sparkplug', fileURLToPath(new URL('../src/main.ts', import.meta.url))];

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** When a process has ended and everything it said has been read, which may be a little later. */
const closings = new WeakMap<ChildProcess, Promise<void>>();

/** A `litestream` process that goes on in the background; its output is kept for when something goes wrong. */
export function startLitestream(cwd: string, ...args: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [...PROGRAM, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  closings.set(child, new Promise((resolve) => child.once('close', () => resolve())));
  return { child, output: () => output };
}

/** Runs `litestream` to its end. */
export async function litestream(cwd: string, ...args: string[]): Promise<Finished> {
  const child = spawn(process.execPath, [...PROGRAM, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, stdout, stderr };
}

/** Of one from `startLitestream` all output is there then. */
export function ended(child: ChildProcess): Promise<void> {
  const closed = closings.get(child);
  if (closed !== undefined) return closed;
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  child.kill(signal);
  await ended(child);
}
