/** Whether a store does what it says about conditions: some services accept them and ignore them, which would make two owners of one lease. */

import { randomBytes } from 'node:crypto';
import { hasCode } from '../../base/errors.ts';
import { bytesBody } from '../body.ts';
import type { CallOptions, ObjectStore, PutOptions } from '../object-store.ts';

/**
 * Writes a scratch object: creates it twice, replaces one version twice; each second attempt must fail. The object is deleted in the end.
 * What else goes wrong is passed on.
 *
 * @param stem key of the scratch object, to which something unique is added.
 */
export async function honoursConditions(store: ObjectStore, stem: string, { signal }: CallOptions = {}): Promise<boolean> {
  const { conditionalPut, conditionalReplace } = store.capabilities;
  if (!conditionalPut || !conditionalReplace) return false;
  const key = `${stem}-${randomBytes(8).toString('hex')}`;
  const attempt = async (content: string, condition: Pick<PutOptions, 'ifAbsent' | 'ifMatch'>): Promise<string | undefined> => {
    const { tag } = await store.put(key, bytesBody(Buffer.from(content)), { ...condition, signal });
    return tag;
  };
  try {
    const first = await attempt('1', { ifAbsent: true });
    if (first === undefined || !(await isRefused(attempt('2', { ifAbsent: true })))) return false;
    const second = await attempt('3', { ifMatch: first });
    return second !== undefined && second !== first && (await isRefused(attempt('4', { ifMatch: first })));
  } catch (error) {
    // A lost answer to an attempt of ours looks the same; the question may be asked again.
    if (hasCode(error, 'NOT_SUPPORTED') || hasCode(error, 'PRECONDITION_FAILED')) return false;
    throw error;
  } finally {
    await store.delete([key], { signal }).catch(() => {}); // a scratch object does no harm
  }
}

/** What create-only writes are worth at a destination: refused as they must be, accepted and ignored, or not offered. */
export type CreateOnly = 'honoured' | 'ignored' | 'absent';

/**
 * Finds out in at most five requests whether a store can be listed and keeps to create-only writes; what goes wrong is passed on.
 *
 * @param key of the scratch object. It is always the same: where nothing can be deleted only one stays.
 */
export async function probeBriefly(store: ObjectStore, key: string, { signal }: CallOptions = {}): Promise<CreateOnly> {
  for await (const _ of store.list(key, { signal })) break;
  if (!store.capabilities.conditionalPut) return 'absent';
  const isCreated = async (): Promise<boolean> =>
    !(await isRefused(store.put(key, bytesBody(Buffer.from('probe')), { ifAbsent: true, signal })));
  try {
    return (await isCreated()) && (await isCreated()) ? 'ignored' : 'honoured';
  } catch (error) {
    if (hasCode(error, 'NOT_SUPPORTED')) return 'absent';
    throw error;
  } finally {
    await store.delete([key], { signal }).catch(() => {}); // whether deleting is allowed is for retention to find out
  }
}

/** True for a write that its condition forbade; what else goes wrong is passed on. */
export async function isRefused(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return false;
  } catch (error) {
    if (hasCode(error, 'PRECONDITION_FAILED')) return true;
    throw error;
  }
}
