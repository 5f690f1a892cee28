/** Replacing exactly one version of a file, safe between the processes of one host, without a lock that a dead process could leave behind. */

import { createHash } from 'node:crypto';
import { readlink, rename, stat, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { TEMP_SUFFIX } from '../directories/temp-name.ts';
import { tagOf } from './tag.ts';
import type { TempFile } from './temp-file.ts';

/**
 * How it works. A *claim* is a symbolic link whose name says which version is to be replaced, and which leads to the finished temporary file
 * that replaces it. Making it is atomic, so each version has one successor:
 *
 * 1. make the claim; when there is one already, carry out what it says and fail;
 * 2. look whether the file is still the version that was named; if not, the claim came too late and is withdrawn;
 * 3. rename the temporary file over the file, remove the claim.
 *
 * A process that dies or is stopped between 1 and 3 holds nobody up: whoever comes next renames the same temporary file, which works once.
 * Someone who is stopped before that rename and goes on much later finds the temporary file gone. Versions never come back, because each one's
 * time is later than that of the one it replaces (`laterThan`).
 *
 * On a network file system two hosts may see an old version for as long as attributes are cached: conditions hold between the processes of one
 * host only.
 */
export async function replaceVersion(temp: TempFile, target: string, { tag, ownTag }: Versions): Promise<void> {
  const claim = claimPath(target, tag);
  if (!(await makeClaim(claim, temp.path))) {
    await finishClaim(claim, target, tag);
    throw lost(target);
  }
  const isOurs = (await currentTag(target)) === tag && (await carryOut(claim, temp, target));
  // While we were stopped, somebody else may have carried the claim out.
  const isDone = isOurs || (await currentTag(target)) === ownTag;
  await remove(claim);
  if (!isDone) throw lost(target);
}

export interface Versions {
  /** Of the version that is replaced. */
  readonly tag: string;
  /** Of the version that replaces it. */
  readonly ownTag: string;
}

/** False when the temporary file is gone: somebody else has renamed it. */
async function carryOut(claim: string, temp: TempFile, target: string): Promise<boolean> {
  try {
    return await move(temp.path, target);
  } catch (error) {
    // In this order: a claim may be withdrawn only when nobody can carry it out any more.
    await temp.discard();
    await remove(claim).catch(() => {}); // the next one to replace this version takes it away
    throw error;
  }
}

/** A time for the successor of what is at `target`, ms since the epoch: later than its own, so that no two versions have one tag. */
export async function laterThan(target: string, wanted: number = Date.now()): Promise<number> {
  try {
    return Math.max(wanted, Math.floor((await stat(target)).mtimeMs) + 1);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return wanted;
    throw error;
  }
}

function claimPath(target: string, tag: string): string {
  const version = createHash('sha256')
    .update(`${basename(target)}\n${tag}`)
    .digest('hex')
    .slice(0, 32);
  return join(dirname(target), `.claim-${version}${TEMP_SUFFIX}`);
}

/** False when another process has claimed this version. */
async function makeClaim(claim: string, temp: string): Promise<boolean> {
  try {
    await symlink(basename(temp), claim);
    return true;
  } catch (error) {
    const code = systemCode(error);
    // A network file system may answer "exists" to its own repeated request.
    if (code === 'EEXIST') return (await leadsTo(claim)) === basename(temp);
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS') {
      throw new LitestreamError(
        'NOT_SUPPORTED',
        `cannot replace one version of a file beside ${claim}: its file system has no symbolic links`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

/** Carries out the claim of a process that may have died. First what it leads to, then the version: one made for an old version does nothing. */
async function finishClaim(claim: string, target: string, tag: string): Promise<void> {
  const temp = await leadsTo(claim);
  if (temp !== undefined && (await currentTag(target)) === tag) await move(join(dirname(target), temp), target);
  if ((await currentTag(target)) !== tag) await remove(claim);
}

async function leadsTo(claim: string): Promise<string | undefined> {
  try {
    return basename(await readlink(claim));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function currentTag(target: string): Promise<string | undefined> {
  try {
    return tagOf(await stat(target, { bigint: true }));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** False when there is nothing to move any more. */
async function move(temp: string, target: string): Promise<boolean> {
  try {
    await rename(temp, target);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return false;
  }
}

async function remove(claim: string): Promise<void> {
  await unlink(claim).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

const lost = (target: string): LitestreamError =>
  new LitestreamError('PRECONDITION_FAILED', `cannot replace ${target}: it is another version than the one that was read`, {
    hint: 'Another process has written this object.',
  });
