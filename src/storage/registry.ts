/** Every kind of object store by its name, each loaded when it is first opened. */

import { LitestreamError } from '../base/errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { StoreSpec } from './spec.ts';

const OPENERS: { readonly [T in StoreSpec['type']]: (spec: Extract<StoreSpec, { type: T }>) => Promise<ObjectStore> } = {
  file: async (spec) => new (await import('./file/file.ts')).FileStore(spec),
};

/** The types of store there are. */
export const STORE_TYPES = Object.keys(OPENERS) as readonly StoreSpec['type'][];

/** Makes the bare store a spec describes; nothing is contacted before its first call. CONFIG_INVALID for a type there is none of. */
export async function openStore(spec: StoreSpec): Promise<ObjectStore> {
  if (!Object.hasOwn(OPENERS, spec.type)) {
    throw new LitestreamError('CONFIG_INVALID', `there is no replica type "${spec.type}"`, {
      hint: `Supported types: ${STORE_TYPES.join(', ')}.`,
    });
  }
  return OPENERS[spec.type](spec);
}
