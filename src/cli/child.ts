/** The program that `replicate -exec` runs: started, signalled, and ended within a limit. */

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { LitestreamError } from '../base/errors.ts';
import type { StopSignal, StopSignals } from './signals.ts';

/** How long a child may take to end after it was told to, ms. */
const KILL_AFTER_MS = 30_000;

export interface ChildOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly killAfterMs?: number;
  /** Ctrl-C in a terminal reaches the child by itself. */
  readonly terminal: boolean;
}

/**
 * Runs the program until it ends. A stop signal is passed on; a second one, or a child that does not end within the limit, kills it.
 * Resolves with its exit status, 128 + number when a signal ended it. Throws USAGE when it cannot be started.
 */
export async function runChild(words: readonly [string, ...string[]], signals: StopSignals, options: ChildOptions): Promise<number> {
  const [program, ...args] = words;
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: options.env });
  let timer: NodeJS.Timeout | undefined;
  const kill = () => child.kill('SIGKILL');
  signals.handle((signal) => {
    if (timer !== undefined) {
      kill();
      return;
    }
    timer = setTimeout(kill, options.killAfterMs ?? KILL_AFTER_MS);
    forward(child, signal, options.terminal);
  });
  try {
    return await ended(child, program);
  } finally {
    clearTimeout(timer);
    signals.handle(() => {});
  }
}

function forward(child: ChildProcess, signal: StopSignal, terminal: boolean): void {
  if (signal === 'SIGINT' && terminal) return;
  child.kill(signal);
}

function ended(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new LitestreamError('USAGE', `the program "${program}" cannot be started`, { cause })));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
