/** What Linux says about a process. */

import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat are hundredths of a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Processor seconds used so far, user and system, by all threads. */
export function processorSeconds(pid: number): number {
  // The name in parentheses may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most bytes of memory that this process ever had resident, page cache not included. */
export function peakResidentBytes(pid: number | 'self'): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kibibytes) * 1024;
}

/** Bytes of memory that this process has resident now. */
export function residentBytes(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kibibytes) * 1024;
}

/** Open descriptors of a process. */
export const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** How long all threads of a process have run, and how long they were ready to run but others had the processors; ms. */
export function schedule(pid: number): { readonly ran: number; readonly waited: number } {
  let [ran, waited] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [running, waiting] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
    ran += Number(running) / 1e6;
    waited += Number(waiting) / 1e6;
  }
  return { ran, waited };
}

/** Processes that want a processor, per processor, over the last minute; benches on a busy machine say little. */
export function load(): string {
  const [minute] = readFileSync('/proc/loadavg', 'latin1').split(' ');
  return `load average ${minute}`;
}
