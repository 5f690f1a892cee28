/** Giving a finished file its name, and taking away what never got one. */

import { LitestreamError } from '../../base/errors.ts';
import { ExtensionMissing, STATUS, sftpError, statusOf } from './errors.ts';
import { kindOf } from './root.ts';
import type { Session } from './session.ts';

/**
 * Gives a file its name only if the name is free: PRECONDITION_FAILED when it is taken, NOT_SUPPORTED when the server cannot tell. Returns the
 * other name it still has.
 */
export async function claim(session: Session, temp: string, target: string): Promise<string> {
  try {
    await session.hardlink(temp, target);
    return temp;
  } catch (error) {
    if (error instanceof ExtensionMissing) throw cannotCreate(target, 'its server has no hard links', error);
    if (statusOf(error) === undefined) throw error;
    // The server says "failure" for every reason.
    if ((await kindOf(session, target)) !== undefined)
      throw new LitestreamError('PRECONDITION_FAILED', `cannot create ${target}: it exists`, {
        cause: error,
        hint: 'Another process has written this object.',
      });
    if (statusOf(error) === STATUS.missing) throw error;
    throw cannotCreate(target, 'its file system has no hard links', error);
  }
}

const cannotCreate = (target: string, reason: string, cause: unknown): LitestreamError =>
  new LitestreamError('NOT_SUPPORTED', `cannot create ${target} only if absent: ${reason}`, { cause });

/**
 * Gives a file its name, replacing what is there: atomically where the server has posix-rename@openssh.com. Elsewhere the old file is put aside
 * first, because the rename of the protocol refuses an existing name: for a moment there is none. Returns where the old file is, if it is
 * still somewhere.
 */
export async function replace(session: Session, temp: string, target: string, aside: string): Promise<string | undefined> {
  try {
    await session.posixRename(temp, target);
    return undefined;
  } catch (error) {
    if (!(error instanceof ExtensionMissing) && statusOf(error) !== STATUS.unsupported) throw await orDirectory(session, target, error);
  }
  try {
    await session.rename(temp, target);
    return undefined;
  } catch (error) {
    if (statusOf(error) === undefined || (await kindOf(session, target)) !== 'other') throw await orDirectory(session, target, error);
  }
  await session.rename(target, aside);
  try {
    await session.rename(temp, target);
  } catch (error) {
    await session.rename(aside, target);
    throw error;
  }
  return aside;
}

async function orDirectory(session: Session, target: string, error: unknown): Promise<unknown> {
  if (statusOf(error) === undefined || (await kindOf(session, target)) !== 'directory') return error;
  return new LitestreamError('NOT_SUPPORTED', `cannot write ${target}: it is a directory`, {
    cause: error,
    hint: 'A directory stands where the object belongs: move one of them away.',
  });
}

/** A write that was refused without a reason, given the likely one where the server tells about its space. */
export async function explained(session: Session, error: unknown, message: string, directory: string): Promise<unknown> {
  if (statusOf(error) !== STATUS.failure) return sftpError(error, message);
  const space = await session.space(directory).catch(() => undefined);
  const details = { status: STATUS.failure };
  if (space?.readOnly === true)
    return new LitestreamError('ACCESS_DENIED', `${message}: the destination is read-only`, {
      cause: error,
      details,
      hint: 'Mount it for writing.',
    });
  if (space !== undefined && space.free < FULL_BYTES)
    return new LitestreamError('STORAGE_FULL', `${message}: the destination is full`, {
      cause: error,
      details: { ...details, freeBytes: space.free },
      hint: 'Free space at the destination; replication goes on by itself.',
    });
  return sftpError(error, message);
}

/** With less room than this a destination counts as full. */
const FULL_BYTES = 1024 * 1024;
