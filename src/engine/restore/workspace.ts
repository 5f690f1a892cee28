/**
 * The private directory beside an output in which a restore works until its result is whole.
 *
 * Its name says who made it, so that what a crash left behind can be told from a restore that is running:
 * `.NAME.restoring-<pid>-<start time of the process>-<random>`.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../../base/process.ts';
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

/** What a restore that ended with its process left behind. */
export interface AbandonedWorkspace {
  readonly directory: string;
  /** What it was to become. */
  readonly output: string;
}

/** Workspaces in `directory` whose process is gone; none when it does not exist. */
export function abandonedWorkspaces(directory: string): AbandonedWorkspace[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((entry) => {
    const [, name, token] = WORKSPACE_NAME.exec(entry) ?? [];
    if (name === undefined || token === undefined || !isOurs(join(directory, entry)) || !isAbandoned(token)) return [];
    return [{ directory: join(directory, entry), output: join(directory, name) }];
  });
}

const WORKSPACE_NAME = /^\.(.+)\.restoring-(\d+-\d+-[0-9a-f]{8})$/;

const prefixOf = (output: string): string => `.${basename(output)}.restoring-`;

function isAbandoned(token: string): boolean {
  const [id, started] = token.split('-');
  const pid = Number(id);
  return !isAlive(pid) || startTime(pid) !== started;
}

/** In a directory that others may write to, such a name alone must not make us do anything. */
function isOurs(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.geteuid?.();
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
