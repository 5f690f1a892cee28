/** Which destinations refuse to overwrite, as it is known before they are asked (docs/destinations.md, What is guaranteed where). */

import { destinationText } from '../../storage/place.ts';
import type { StoreSpec } from '../../storage/spec.ts';
import type { Findings, Place } from '../findings.ts';
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
  webdav: CREATE,
};

/** S3 services that answer conditional writes with an error, or ignore them. */
const S3_EXCEPTIONS: readonly (readonly [RegExp, Conditions])[] = [
  [/\.backblazeb2\.com$/, NEITHER],
  [/^(?:[^.]+-)?storage(?:-[^.]+)?\.(?!storage\.)(?:[^.]+\.)?googleapis\.com$/, NEITHER],
];

export function conditionsOf(spec: StoreSpec): Conditions {
  if (spec.type === 's3' && spec.endpoint !== undefined) {
    const host = hostOf(spec.endpoint.replace(/^\w+:\/\//, ''));
    const exception = S3_EXCEPTIONS.find(([pattern]) => pattern.test(host));
    if (exception !== undefined) return exception[1];
  }
  return BY_TYPE[spec.type];
}

/** Says what a destination cannot do: a lease that cannot be kept is an error, a second writer that is not found out worth knowing. */
export function reportConditions(spec: StoreSpec, lease: Place | undefined, at: Place, findings: Findings): void {
  const { createOnly, replace } = conditionsOf(spec);
  const where = destinationText(spec);
  if (lease !== undefined && !replace)
    findings.error(lease, `no lease can be kept at ${where}: it cannot replace one version of an object by another atomically`);
  if (!createOnly)
    findings.info(
      at,
      `${where} cannot refuse to overwrite: a second writer on this replica would not be found out, so take care that there is none`,
    );
}
