/** Every kind of object store by its name, each loaded when it is first opened. */

import { LitestreamError } from '../base/errors.ts';
import { registerSecret } from '../base/redact.ts';
import type { ObjectStore } from './object-store.ts';
import { type StoreSpec, secretsOf } from './spec.ts';

type Openers = { readonly [T in StoreSpec['type']]?: (spec: Extract<StoreSpec, { type: T }>) => Promise<ObjectStore> };

const OPENERS: Openers = {
  file: async (spec) => new (await import('./file/file.ts')).FileStore(spec),
  sftp: async (spec) => new (await import('./sftp/sftp.ts')).SFTPStore(spec),
  webdav: async (spec) => new (await import('./webdav/webdav.ts')).WebDAVStore(spec),
  s3: async (spec) => new (await import('./s3/store.ts')).S3Store(spec),
  abs: async (spec) => new (await import('./abs/abs.ts')).AzureStore(spec),
  nats: async (spec) => new (await import('./nats/nats.ts')).NATSStore(spec),
  gs: async (spec) => new (await import('./gs/gs.ts')).GCSStore(spec),
  oss: async (spec) => new (await import('./oss/oss.ts')).OSSStore(spec),
};

/** The types of store there are. */
export const STORE_TYPES = Object.keys(OPENERS) as readonly StoreSpec['type'][];

/**
 * Makes the bare store a spec describes; nothing is contacted before its first call. From then on its secrets are blanked in all text of this
 * thread. CONFIG_INVALID for a type there is none of.
 */
export async function openStore(spec: StoreSpec): Promise<ObjectStore> {
  const open = Object.hasOwn(OPENERS, spec.type)
    ? (OPENERS[spec.type] as ((spec: StoreSpec) => Promise<ObjectStore>) | undefined)
    : undefined;
  if (open === undefined) {
    throw new LitestreamError('CONFIG_INVALID', `there is no replica type "${spec.type}"`, {
      hint: `Supported types: ${STORE_TYPES.join(', ')}.`,
    });
  }
  for (const secret of secretsOf(spec)) registerSecret(secret);
  return open(spec);
}
