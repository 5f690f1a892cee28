/** How following begins: with a copy that goes on, or with a new one; never by overwriting something that is not known. */

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { NO_TXID } from '../../formats/ltx/txid.ts';
import { OWNER_FILE_NAME, OWNER_LOCK_NAME, OwnerLock } from '../../sqlite/owner-lock.ts';
import { diskError, makeParents } from '../restore/disk.ts';
import { existsAtAll, SIDE_SUFFIXES } from '../restore/output.ts';
import { publishNew } from '../restore/publish.ts';
import { LATEST } from '../restore/target.ts';
import { chooseWitnesses } from './choose.ts';
import { Copy, startOver } from './copy.ts';
import { appliedBase, Follower, type FollowTools, makeBase, stateOfBase } from './follower.ts';
import { stampHeader } from './new-pages.ts';
import { type FollowPlaces, followPlaces } from './places.ts';
import type { FollowRequest } from './request.ts';
import { type FollowState, readCursor, readState, writeCursor, writeState } from './state.ts';

/** A follower, with the lock that keeps others from following to the same copy. */
export interface Begun {
  readonly follower: Follower;
  close(): void;
}

/**
 * Goes on with the copy at the output, or makes a first one.
 *
 * Throws OUTPUT_EXISTS for a database without a cursor or anything else in the way, DB_OWNED when another process follows to it, and
 * what restoring and opening throw.
 */
export async function beginFollowing(request: FollowRequest, tools: FollowTools): Promise<Begun> {
  const places = followPlaces(request.output);
  const found = inspect(places);
  const lock = lockPlaces(places, tools);
  try {
    sweep(places, tools);
    if (found === 'nothing') await publishBase(request, tools, places);
    const copy = Copy.open({ ...tools, places });
    try {
      const state = found === 'nothing' ? readState(places) : recall(places, copy);
      const follower = new Follower(request, tools, places, copy, state ?? unknownState(copy));
      if (found === 'copy' && follower.txid !== NO_TXID) tools.onNote({ type: 'resumed', txid: follower.txid });
      const close = () => {
        follower.close();
        lock.release();
      };
      return { follower, close };
    } catch (error) {
      copy.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A copy without its cursor is somebody's database; a cursor without its copy is nothing. */
function inspect(places: FollowPlaces): 'copy' | 'nothing' {
  const { copy } = places;
  const there = lstatSync(copy, { throwIfNoEntry: false });
  const cursor = readCursor(places);
  if (there === undefined) {
    const side = SIDE_SUFFIXES.find((suffix) => existsAtAll(copy + suffix));
    if (side === undefined) return 'nothing';
    throw refused(copy, `${copy}${side} of an earlier database is still there`, `Delete ${copy}${side}, or choose another output.`);
  }
  if (!there.isFile()) throw refused(copy, 'it is not a regular file', 'Name the copy itself, which must be a plain file.');
  if (cursor === 'absent') {
    const hint = `${places.cursor}, which says where a copy stands, is missing. Choose another output with -o. Only if ${copy} is a copy that nobody needs: delete it first.`;
    throw refused(copy, 'there is a database, and it is not known which state it holds', hint);
  }
  if (cursor === 'invalid') throw refused(copy, `${places.cursor} does not hold a transaction id`, startOver(copy));
  return 'copy';
}

const refused = (copy: string, what: string, hint: string): LitestreamError =>
  new LitestreamError('OUTPUT_EXISTS', `following to ${copy}: ${what}`, { hint });

function lockPlaces({ copy, directory }: FollowPlaces, { disk, clock }: FollowTools): OwnerLock {
  try {
    makeParents(disk, copy);
    if (!existsSync(directory)) {
      disk.makeDirectory(directory, 0o700);
      disk.syncDirectory(dirname(directory));
    }
  } catch (error) {
    throw diskError(error, `making a directory for following to ${copy}`);
  }
  try {
    return OwnerLock.acquire(directory, { pid: process.pid, startedAt: clock.now() });
  } catch (error) {
    if (!hasCode(error, 'DB_OWNED')) throw error;
    throw new LitestreamError('DB_OWNED', `following to ${copy}: another process does so already`, {
      cause: error,
      ...(error.details === undefined ? {} : { details: error.details }),
      hint: 'Stop the other process first, or choose another output.',
    });
  }
}

/** Whatever else an interrupted run left in the private directory is worth nothing. */
function sweep({ directory, state }: FollowPlaces, { disk }: FollowTools): void {
  const kept = [OWNER_LOCK_NAME, OWNER_FILE_NAME, basename(state)];
  for (const name of readdirSync(directory)) if (!kept.some((one) => name.startsWith(one))) disk.removeTree(join(directory, name));
}

/** Which of the states that were written down the copy is in. SECOND_WRITER when in none of them. */
function recall(places: FollowPlaces, copy: Copy): FollowState | undefined {
  const known = readState(places);
  if (known === undefined) return undefined;
  const { counter } = copy.look();
  const state = known.states.find((one) => one.counter === counter);
  if (state !== undefined) return { states: [state], witnesses: known.witnesses };
  copy.requireUntouched(known.states.at(-1)?.counter ?? -1);
  return undefined;
}

/** Made by another program, such as the original, or its notes were lost: only a new base is certain. */
function unknownState(copy: Copy): FollowState {
  return { states: [{ txid: NO_TXID, counter: copy.look().counter }], witnesses: [] };
}

/** Makes the first copy. Its cursor comes first: without the copy it is nothing, the other way round the copy would be refused. */
async function publishBase(request: FollowRequest, tools: FollowTools, places: FollowPlaces): Promise<void> {
  const { disk, source, signal } = tools;
  const result = await makeBase(LATEST, request, tools, places);
  const counter = 1;
  const fd = disk.open(places.base);
  try {
    const page = new Uint8Array(result.pageSize);
    disk.read(fd, page, 0);
    stampHeader(page, counter, result.pages);
    disk.write(fd, page, 0);
    disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  if (request.mode !== undefined) disk.setMode(places.base, request.mode);
  const state = await stateOfBase(source, result, signal);
  writeState(disk, places, { states: [{ ...state, counter }], witnesses: chooseWitnesses(result.plan.files, result.txid) });
  writeCursor(disk, places, result.txid);
  publishNew(disk, { directory: places.directory, database: places.base }, places.copy);
  disk.removeTree(places.base);
  tools.onNote({ type: 'restored', ...appliedBase(result) });
}
