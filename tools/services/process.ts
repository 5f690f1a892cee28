/** Processes that outlive whoever started them: told apart from later ones with the same number, and ended for certain. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be taken for another one. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, in whatever unit the system counts. */
  readonly began: string;
}

/** Who a process is; undefined when there is none (a zombie is none). */
export function identify(pid: number): ProcessIdentity | undefined {
  const began = process.platform === 'linux' ? beganOnLinux(pid) : beganByPs(pid);
  return began === undefined ? undefined : { pid, began };
}

function beganOnLinux(pid: number): string | undefined {
  try {
    // The name in parentheses may hold anything; after it come the state and, 20 fields on, the start time.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function beganByPs(pid: number): string | undefined {
  const began = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim();
  return began === undefined || began === '' ? undefined : began;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.began === identity.began;
}

/** The processes it has started, and those they have started, on Linux. */
function descendants(pid: number): ProcessIdentity[] {
  if (process.platform !== 'linux') return [];
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(
        readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1],
      );
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // it has just ended
    }
  }
  const found: number[] = [];
  for (const queue = [pid]; queue.length > 0; ) {
    const next = children.get(queue.pop() ?? 0) ?? [];
    found.push(...next);
    queue.push(...next);
  }
  return found.flatMap((child) => identify(child) ?? []);
}

function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch {
    // it has just ended
  }
}

/** Asks all to end, waits for them and what they started, and kills what is left after `limitMs`. */
export async function endProcesses(identities: readonly ProcessIdentity[], limitMs = 5_000): Promise<void> {
  const all = identities.filter(isAlive).flatMap((identity) => [identity, ...descendants(identity.pid)]);
  for (const identity of all) signal(identity, 'SIGTERM');
  const deadline = performance.now() + limitMs;
  while (all.some(isAlive) && performance.now() < deadline) await sleep(20);
  for (const identity of all) signal(identity, 'SIGKILL');
  while (all.some(isAlive) && performance.now() < deadline + 5_000) await sleep(10);
}

/** Kills all and what they started without waiting: for the last moment of a process. */
export function killProcesses(identities: readonly ProcessIdentity[]): void {
  for (const identity of identities.filter(isAlive).flatMap((one) => [one, ...descendants(one.pid)])) signal(identity, 'SIGKILL');
}
