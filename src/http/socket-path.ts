/** Where the daemon's private socket is: a short path in a directory only its owner can enter (decision 18). */

import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { isAlive } from '../base/process.ts';
import { systemCode } from '../base/system-error.ts';

/** sun_path holds 108 bytes on Linux and 104 elsewhere, the final zero included. */
const MAX_PATH_BYTES = 103;
const SOCKET_NAME = /^(\d+)-[a-z0-9]+\.sock$/;

export interface SocketPlaceOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly temporary?: string;
}

/** A new path for this process's socket; makes the directory and removes sockets of processes that are gone. ACCESS_DENIED when no directory is safe. */
export function makeSocketPath({ env = process.env, temporary = tmpdir() }: SocketPlaceOptions = {}): string {
  const name = `${process.pid}-${randomBytes(5).toString('hex')}.sock`;
  const problems: string[] = [];
  for (const directory of candidates(env, temporary)) {
    const full = path.join(directory, name);
    if (Buffer.byteLength(full) > MAX_PATH_BYTES) {
      problems.push(`${directory}: too long for a socket`);
      continue;
    }
    const problem = prepare(directory);
    if (problem === undefined) {
      sweepSockets(directory);
      return full;
    }
    problems.push(`${directory}: ${problem}`);
  }
  throw new LitestreamError('ACCESS_DENIED', 'no private directory for the control socket', {
    details: { tried: problems },
    hint: 'Set XDG_RUNTIME_DIR to a directory that only you can enter.',
  });
}

/** Sockets of living processes of this user, in every place where `makeSocketPath` puts them. */
export function livingSockets({ env = process.env, temporary = tmpdir() }: SocketPlaceOptions = {}): string[] {
  return candidates(env, temporary).flatMap((directory) => {
    try {
      if (unsafe(directory) !== undefined) return [];
      return readdirSync(directory)
        .filter((name) => isAlive(Number(SOCKET_NAME.exec(name)?.[1] ?? Number.NaN)))
        .map((name) => path.join(directory, name));
    } catch {
      return []; // not there: no daemon has used it
    }
  });
}

function candidates(env: Readonly<Record<string, string | undefined>>, temporary: string): string[] {
  const runtime = env.XDG_RUNTIME_DIR;
  const uid = process.getuid?.() ?? 0;
  const own = `litestream-${uid}`;
  const places = [
    ...(runtime !== undefined && path.isAbsolute(runtime) ? [path.join(runtime, 'litestream')] : []),
    path.join(temporary, own),
    path.join('/tmp', own),
  ];
  return [...new Set(places)];
}

/** Makes the directory, or checks that the one that is there is ours alone; answers what is wrong. */
function prepare(directory: string): string | undefined {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const code = systemCode(error) ?? 'unknown';
    if (code !== 'EEXIST') return code;
  }
  return unsafe(directory);
}

/** What is wrong with the directory; others must not be able to put a socket there. */
function unsafe(directory: string): string | undefined {
  const facts = lstatSync(directory);
  if (!facts.isDirectory()) return 'not a directory';
  const uid = process.getuid?.();
  if (uid !== undefined && facts.uid !== uid) return 'belongs to another user';
  if (uid !== undefined && (facts.mode & 0o077) !== 0) return 'others may enter it';
  return undefined;
}

/** Best effort: a stale socket is only untidy. */
function sweepSockets(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = Number(SOCKET_NAME.exec(name)?.[1] ?? Number.NaN);
    if (Number.isInteger(pid) && !isAlive(pid)) rmSync(path.join(directory, name), { force: true });
  }
}
