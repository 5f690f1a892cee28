/** Which destinations refuse to overwrite, as it is known before they are asked (docs/destinations.md, What is guaranteed where). */

import type { StoreSpec } from '../../storage/spec.ts';
import { hostOf } from '../hosts.ts';

export interface Conditions {
  /** A file is only created, never replaced by accident: a second writer is detected at its first collision. */
  readonly createOnly: boolean;
  /** One version is replaced by another: a lease can be kept. */
  readonly replace: boolean;
}

const BOTH: Conditions = { createOnly: true, replace: true };
const CREATE: Conditions = { createOnly: true, replace: false };
const NEITHER: Conditions = { createOnly: false, replace: false };

const BY_TYPE: Readonly<Record<StoreSpec['type'], Conditions>> = {
  file: BOTH,
  s3: BOTH,
  gs: BOTH,
  abs: BOTH,
  nats: BOTH,
  sftp: CREATE,
  oss: CREATE,
  webdav: NEITHER,
};

/** S3 services that answer conditional writes with an error, or ignore them. */
const S3_EXCEPTIONS: readonly (readonly [RegExp, Conditions])[] = [
  [/\.backblazeb2\.com$/, NEITHER],
  [/(?:^|\.)storage\.googleapis\.com$/, NEITHER],
];

export function conditionsOf(spec: StoreSpec): Conditions {
  if (spec.type === 's3' && spec.endpoint !== undefined) {
    const host = hostOf(spec.endpoint.replace(/^\w+:\/\//, ''));
    const exception = S3_EXCEPTIONS.find(([pattern]) => pattern.test(host));
    if (exception !== undefined) return exception[1];
  }
  return BY_TYPE[spec.type];
}
