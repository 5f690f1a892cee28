/** What Azure's error codes mean here, with the next step for a person. */

import type { ErrorCode } from '../../base/errors.ts';

export type Meaning = readonly [code: ErrorCode, hint: string];

const MISSING: Meaning = ['OBJECT_NOT_FOUND', 'Another process may have removed it.'];
const CONTAINER: Meaning = ['CONTAINER_NOT_FOUND', 'Create the container, or correct its name: litestream does not create it.'];
const DENIED: Meaning = [
  'ACCESS_DENIED',
  'Give the principal the role Storage Blob Data Contributor (Reader is enough to restore); a SAS needs read, add, create, write, delete and list.',
];
const NETWORK: Meaning = [
  'ACCESS_DENIED',
  'The account refuses this network or protocol: look at its firewall, and at the addresses the SAS allows.',
];
const OUTSIDE: Meaning = [
  'ACCESS_DENIED',
  'The account does not let this network in: allow the address of this machine in its firewall (Networking), or use its private endpoint. A key or SAS of another account is refused alike.',
];
const CREDENTIALS: Meaning = [
  'CREDENTIALS_INVALID',
  'Check the account name with its key or SAS; a rotated key takes effect after a restart.',
];
const KEPT: Meaning = [
  'ACCESS_DENIED',
  'A retention policy or a legal hold protects the object; turn off retention in litestream, or lift the policy.',
];
const LEASED: Meaning = ['ACCESS_DENIED', 'Somebody holds a lease on the blob or the container: break it.'];
const BUSY: Meaning = ['STORAGE_THROTTLED', 'The account is at its limit of requests; it goes on by itself.'];
const PASSING: Meaning = ['STORAGE_UNAVAILABLE', 'A failure of the service; it is tried again.'];
const CONDITION: Meaning = ['PRECONDITION_FAILED', 'Another process has written this object.'];
const ARCHIVED: Meaning = [
  'OBJECT_ARCHIVED',
  'The blob is in the archive tier: rehydrate it to Hot or Cool first, and keep replicas out of that tier.',
];
const FULL: Meaning = ['STORAGE_FULL', 'The account has no room; it goes on by itself when there is some.'];

/** By the code in `x-ms-error-code`. */
export const AZURE_CODES: Readonly<Record<string, Meaning>> = {
  BlobNotFound: MISSING,
  PathNotFound: MISSING,
  ResourceNotFound: MISSING,
  ContainerNotFound: CONTAINER,
  ContainerBeingDeleted: CONTAINER,
  ContainerDisabled: CONTAINER,
  FilesystemNotFound: CONTAINER,
  AuthorizationFailure: OUTSIDE,
  AuthorizationPermissionMismatch: DENIED,
  AuthorizationResourceTypeMismatch: DENIED,
  AuthorizationServiceMismatch: DENIED,
  InsufficientAccountPermissions: DENIED,
  PublicAccessNotPermitted: DENIED,
  UnauthorizedBlobOverwrite: DENIED,
  AccountIsDisabled: ['ACCESS_DENIED', 'The account is disabled: look at its subscription.'],
  KeyBasedAuthenticationNotPermitted: [
    'ACCESS_DENIED',
    'The account allows no shared keys: use a SAS of a user delegation, or an identity.',
  ],
  AuthorizationSourceIPMismatch: NETWORK,
  AuthorizationProtocolMismatch: NETWORK,
  AccountRequiresHttps: NETWORK,
  AuthenticationFailed: CREDENTIALS,
  InvalidAuthenticationInfo: CREDENTIALS,
  NoAuthenticationInformation: CREDENTIALS,
  BlobImmutableDueToPolicy: KEPT,
  BlobImmutableDueToLegalHold: KEPT,
  ContainerImmutabilityPolicy: KEPT,
  SnapshotsPresent: ['NOT_SUPPORTED', 'Somebody has taken snapshots of the blob: delete them, or turn off retention in litestream.'],
  InvalidBlobType: ['NOT_SUPPORTED', 'A page or append blob stands in the place of the object: move it away.'],
  LeaseIdMissing: LEASED,
  LeaseIdMismatchWithBlobOperation: LEASED,
  LeaseIdMismatchWithContainerOperation: LEASED,
  ServerBusy: BUSY,
  TooManyRequests: BUSY,
  OperationTimedOut: PASSING,
  InternalError: PASSING,
  AccountBeingCreated: PASSING,
  ConditionNotMet: CONDITION,
  TargetConditionNotMet: CONDITION,
  BlobAlreadyExists: CONDITION,
  BlobArchived: ARCHIVED,
  BlobBeingRehydrated: ARCHIVED,
  AccountLimitExceeded: FULL,
  InsufficientStorage: FULL,
  QuotaExceeded: FULL,
};

/** By status, where the answer carries no code that is known. */
export function meaningOfStatus(status: number, isAzure: boolean): Meaning {
  if (status === 408 || status === 500 || status === 502 || status === 503 || status === 504) return PASSING;
  if (status === 429) return BUSY;
  if (status === 507) return FULL;
  if (status === 401) return CREDENTIALS;
  if (status === 403) return DENIED;
  if (status === 412 && isAzure) return CONDITION;
  if (status === 404 && isAzure) return MISSING;
  if (status >= 500 && status !== 501) return PASSING;
  return isAzure
    ? ['NOT_SUPPORTED', 'The service refuses this request: check the container name, the path and the kind of the account.']
    : FOREIGN;
}

/** The answer does not come from the service. */
export const FOREIGN: Meaning = [
  'RESPONSE_INVALID',
  'Something between this machine and the service answered in its stead: check the endpoint, proxies and login pages.',
];
