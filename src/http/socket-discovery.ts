/** Finds the daemon that owns the configured databases (decision 18). */

import { lstatSync } from 'node:fs';
import path from 'node:path';
import { hasCode, LitestreamError } from '../base/errors.ts';
import { systemCode } from '../base/system-error.ts';
import type { Control } from '../control/control.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { OwnerInfo } from '../sqlite/owner-lock.ts';
import { type AttachOptions, attachControl, pingSocket } from './socket-client.ts';
import { livingSockets } from './socket-path.ts';

/** Knowledge of the owner lock, which is a SQLite file. */
export interface OwnerProbe {
  /** What the last owner of a metadata directory recorded. */
  readOwner(directory: string): OwnerInfo | undefined;
  /** True while some process holds its lock. */
  isOwned(directory: string): boolean;
}

export interface FindOptions extends AttachOptions {
  /** Loaded only when a metadata directory has an owner lock. */
  readonly probe?: () => Promise<OwnerProbe>;
  /** How long a daemon may take to answer, ms. */
  readonly timeoutMs?: number;
  /** Directories of databases, as a daemon that watches them announces them; their members may not be known yet. */
  readonly directories?: readonly string[];
  /** Where to look for daemons that own nothing yet. */
  readonly sockets?: () => readonly string[];
}

const TIMEOUT_MS = 2_000;
const LOCK_NAME = 'owner.lock';

/** The daemon's verbs; undefined when nobody owns any of the databases. DAEMON_UNREACHABLE when somebody does and does not answer. */
export async function findDaemon(entries: readonly DatabaseEntry[], options: FindOptions = {}): Promise<Control | undefined> {
  const { probe: loadProbe = loadOwnerProbe, timeoutMs = TIMEOUT_MS } = options;
  const wanted = [...new Set(entries.map(({ settings }) => settings.metaPath))];
  const directories = wanted.filter(hasLock);
  const attach = (socket: string): Control => attachControl(socket, options.token === undefined ? {} : { token: options.token });
  if (directories.length === 0) return findWaiting(wanted, attach, options);
  const probe = await loadProbe();
  const asked = new Map<string, boolean>();
  for (const directory of directories) {
    const owner = probe.readOwner(directory);
    if (owner?.socket === undefined || asked.has(owner.socket)) continue;
    const answers = await isAnswering(owner.socket, owner.pid, timeoutMs);
    asked.set(owner.socket, answers);
    if (answers) return attach(owner.socket);
  }
  const owned = directories.find((directory) => probe.isOwned(directory));
  if (owned !== undefined) throw silentOwner(owned, probe.readOwner(owned));
  return findWaiting(wanted, attach, options);
}

/** A daemon that still waits for its database files owns nothing yet; it is found among the sockets of this user. */
async function findWaiting(
  wanted: readonly string[],
  attach: (socket: string) => Control,
  { timeoutMs = TIMEOUT_MS, sockets = livingSockets, directories = [] }: FindOptions,
): Promise<Control | undefined> {
  if (wanted.length + directories.length === 0) return undefined;
  for (const socket of sockets()) {
    const found = await pingSocket(socket, timeoutMs).catch((error: unknown) => {
      if (hasCode(error, 'DAEMON_UNREACHABLE')) return undefined; // ended meanwhile, or of another version
      throw error;
    });
    if (found?.directories.some((directory) => wanted.includes(directory) || directories.includes(directory))) return attach(socket);
  }
  return undefined;
}

/** DAEMON_UNREACHABLE when this user may not even look: somebody else's daemon may well be running there. */
function hasLock(directory: string): boolean {
  try {
    return lstatSync(path.join(directory, LOCK_NAME), { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    if (systemCode(cause) === 'ENOTDIR') return false;
    throw new LitestreamError('DAEMON_UNREACHABLE', `looking for the owner of ${directory}`, {
      cause,
      details: { directory },
      hint: 'Run this as the user that litestream runs as.',
    });
  }
}

/** A recorded socket may be left over, and its name taken by another process since: the process id has to fit. */
async function isAnswering(socket: string, pid: number, timeoutMs: number): Promise<boolean> {
  try {
    return (await pingSocket(socket, timeoutMs)).pid === pid;
  } catch (error) {
    if (hasCode(error, 'DAEMON_UNREACHABLE')) return false;
    throw error;
  }
}

async function loadOwnerProbe(): Promise<OwnerProbe> {
  const { readOwner, isOwned } = await import('../sqlite/owner-lock.ts');
  return { readOwner, isOwned };
}

function silentOwner(directory: string, owner: OwnerInfo | undefined): LitestreamError {
  const who = owner === undefined ? 'another process' : `process ${owner.pid}`;
  return new LitestreamError('DAEMON_UNREACHABLE', `${who} owns ${directory} and does not answer on its control socket`, {
    details:
      owner === undefined ? { directory } : { directory, pid: owner.pid, ...(owner.socket === undefined ? {} : { socket: owner.socket }) },
    hint:
      owner === undefined
        ? 'Find the process that holds the lock file open, and stop it.'
        : `Look at the log of process ${owner.pid}; if it hangs, stop it with: kill ${owner.pid}`,
  });
}
