/**
 * The private directory beside an output in which a restore works until its result is whole.
 *
 * Its name says who made it, so that what a crash left behind can be told from a restore that is running:
 * `.NAME.restoring-<pid>-<start time of the process>-<random>`.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { diskError, type RestoreDisk } from './disk.ts';

export interface Workspace {
  readonly directory: string;
  /** The database while it is being made. */
  readonly database: string;
}

/** A name for a workspace of this process; pass it to `createWorkspace`, keep it to remove what a killed thread left. */
export function workspaceToken(): string {
  return `${process.pid}-${startTime(process.pid)}-${randomBytes(4).toString('hex')}`;
}

/** Where the workspace of `token` beside `output` is or would be. */
export function workspaceOf(output: string, token: string): Workspace {
  const directory = join(dirname(output), `${prefixOf(output)}${token}`);
  return { directory, database: join(directory, 'restored.db') };
}

/** Makes the directory, readable by its owner only. */
export function createWorkspace(disk: RestoreDisk, output: string, token: string): Workspace {
  const workspace = workspaceOf(output, token);
  try {
    disk.makeDirectory(workspace.directory, 0o700);
  } catch (error) {
    throw diskError(error, `making a directory for the restore beside ${output}`);
  }
  return workspace;
}

/** Directories beside `output` whose process is gone. */
export function abandonedWorkspaces(output: string): string[] {
  const parent = dirname(output);
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefixOf(output)) && isAbandoned(name.slice(prefixOf(output).length)))
    .map((name) => join(parent, name));
}

const prefixOf = (output: string): string => `.${basename(output)}.restoring-`;

function isAbandoned(token: string): boolean {
  const match = /^(\d+)-(\d+)-[0-9a-f]{8}$/.exec(token);
  if (match === null) return false;
  const pid = Number(match[1]);
  return !isAlive(pid) || startTime(pid) !== match[2];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Start of a process in clock ticks since boot (Linux, proc(5) field 22), which tells two processes of one id apart; `0` elsewhere. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch {
    return '0';
  }
}
