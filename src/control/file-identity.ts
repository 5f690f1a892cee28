/** What a path really is: device and inode, which no link or spelling can disguise. */

import type { BigIntStats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { isAbsence } from '../base/system-error.ts';

export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

export const sameIdentity = (a: Identity, b: Identity): boolean => a.dev === b.dev && a.ino === b.ino;

export const identityKey = ({ dev, ino }: Identity): string => `${dev}:${ino}`;

/** Identity of what `target` leads to, links followed; undefined when nothing is there. */
export async function identityOf(target: string): Promise<Identity | undefined> {
  return absentAsUndefined(stat(target, { bigint: true }));
}

/** Facts of `target` itself, a link not followed; undefined when nothing is there. */
export async function factsOf(target: string): Promise<BigIntStats | undefined> {
  return absentAsUndefined(lstat(target, { bigint: true }));
}

/** Absolute path without links; undefined when nothing is there. */
export async function realPathOf(target: string): Promise<string | undefined> {
  return absentAsUndefined(realpath(target));
}

/** True when `inner` is `outer` or lies below it, compared component by component. */
export function isWithin(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return relative === '' || (!path.isAbsolute(relative) && relative.split(path.sep)[0] !== '..');
}

async function absentAsUndefined<T>(facts: Promise<T>): Promise<T | undefined> {
  try {
    return await facts;
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}
