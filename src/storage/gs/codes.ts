/** What the statuses and reasons of Cloud Storage mean here, with the next step for a person. */

import type { ErrorCode } from '../../base/errors.ts';

export type Meaning = readonly [code: ErrorCode, hint: string];

const DENIED: Meaning = [
  'ACCESS_DENIED',
  'Give the principal the role Storage Object User (roles/storage.objectUser) on the bucket; Storage Object Viewer is enough to restore.',
];
const BILLING: Meaning = ['ACCESS_DENIED', 'The project or its billing is switched off: look at it in the console.'];
const KEPT: Meaning = [
  'ACCESS_DENIED',
  'A retention policy or a hold protects the object; turn off retention in litestream, or lift the policy.',
];
const CREDENTIALS: Meaning = [
  'CREDENTIALS_INVALID',
  'Check the key file, or log this machine in anew: the service takes its credentials no longer.',
];
const THROTTLED: Meaning = ['STORAGE_THROTTLED', 'The service asks for fewer requests; it goes on by itself.'];
const PASSING: Meaning = ['STORAGE_UNAVAILABLE', 'A failure of the service; it is tried again.'];
const CONDITION: Meaning = ['PRECONDITION_FAILED', 'Another process has written this object.'];
const FULL: Meaning = ['STORAGE_FULL', 'A quota of the project is used up; it goes on by itself when there is some.'];

export const CONTAINER: Meaning = ['CONTAINER_NOT_FOUND', 'Create the bucket, or correct its name: litestream does not create it.'];
export const MISSING: Meaning = ['OBJECT_NOT_FOUND', 'Another process may have removed it.'];
/** The answer does not come from the service. */
export const FOREIGN: Meaning = [
  'RESPONSE_INVALID',
  'Something between this machine and the service answered in its stead: check the endpoint, proxies and login pages.',
];
export const TOKENLESS: Meaning = [
  'CREDENTIALS_INVALID',
  'Set the key file of a service account, or give this machine Application Default Credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, a service account of the machine).',
];

const REASONS: Readonly<Record<string, Meaning>> = {
  authError: CREDENTIALS,
  required: DENIED,
  forbidden: DENIED,
  insufficientPermissions: DENIED,
  rateLimitExceeded: THROTTLED,
  userRateLimitExceeded: THROTTLED,
  quotaExceeded: FULL,
  dailyLimitExceeded: FULL,
  accountDisabled: BILLING,
  userProjectAccountProblem: BILLING,
  UserProjectAccountProblem: BILLING,
  retentionPolicyNotMet: KEPT,
  objectUnderActiveHold: KEPT,
  conditionNotMet: CONDITION,
  backendError: PASSING,
  internalError: PASSING,
};

/** @param isGoogle the answer has the marks of the service. */
export function meaningOf(status: number, reason: string | undefined, isGoogle: boolean): Meaning {
  if (status < 400) return FOREIGN;
  if (status === 401) return CREDENTIALS;
  if (status === 429) return THROTTLED;
  if (status === 412 && isGoogle) return CONDITION;
  if (status === 404) return isGoogle ? MISSING : FOREIGN;
  const known = reason === undefined ? undefined : REASONS[reason];
  if (known !== undefined) return known;
  if (status === 403) return DENIED;
  // 409: another request for the same object is under way. 410: an upload's session is over. Both are begun anew.
  if (status === 408 || (status >= 500 && status !== 501) || ((status === 409 || status === 410) && isGoogle))
    return status === 507 ? FULL : PASSING;
  return isGoogle ? ['NOT_SUPPORTED', 'The service refuses this request: check the name of the bucket and the path.'] : FOREIGN;
}
