/** Two readings of one object must be of one version: bytes of two would make a file that nobody has written. */

import { LitestreamError } from '../base/errors.ts';
import type { OpenedObject } from './object-store.ts';

/** `again`, or PRECONDITION_FAILED, with `again` closed, when its tag or size is known to differ from that of `first`. */
export async function sameVersion(key: string, first: OpenedObject, again: OpenedObject, offset: number): Promise<OpenedObject> {
  if (!differs(again.tag, first.tag) && !differs(again.size, first.size)) return again;
  await again.close();
  throw new LitestreamError('PRECONDITION_FAILED', `${key} changed while it was being read`, {
    details: { offset },
    hint: 'Start again from a new listing.',
  });
}

const differs = <T>(a: T | undefined, b: T | undefined): boolean => a !== undefined && b !== undefined && a !== b;
