/** Why a step of a check failed, in one sentence, and what to do about it. */

import { type ErrorCode, errorToData } from '../../base/errors.ts';
import type { StoreSpec } from '../spec.ts';
import type { CheckStepName } from './steps.ts';

export interface Explanation {
  readonly code: ErrorCode;
  /** One sentence without its full stop. */
  readonly cause: string;
  /** Whole sentences. */
  readonly fix: string;
}

/** What each step needs, by type of store. */
type Right = 'write' | 'read' | 'list' | 'delete';

const RIGHT_OF: Readonly<Record<CheckStepName, Right>> = {
  write: 'write',
  stat: 'read',
  read: 'read',
  list: 'list',
  time: 'read',
  create: 'write',
  replace: 'write',
  delete: 'delete',
  'delete-missing': 'delete',
};

const RIGHTS: Readonly<Record<StoreSpec['type'], Readonly<Record<Right, string>>>> = {
  s3: { write: 's3:PutObject', read: 's3:GetObject', list: 's3:ListBucket', delete: 's3:DeleteObject' },
  oss: { write: 'oss:PutObject', read: 'oss:GetObject', list: 'oss:ListObjects', delete: 'oss:DeleteObject' },
  gs: {
    write: 'storage.objects.create',
    read: 'storage.objects.get',
    list: 'storage.objects.list',
    delete: 'storage.objects.delete',
  },
  abs: {
    write: 'write (SAS: c and w; role: Storage Blob Data Contributor)',
    read: 'read (SAS: r; role: Storage Blob Data Contributor)',
    list: 'list (SAS: l; role: Storage Blob Data Contributor)',
    delete: 'delete (SAS: d; role: Storage Blob Data Contributor)',
  },
  nats: {
    write: 'publish to $O.BUCKET.> and $JS.API.>',
    read: 'publish to $JS.API.> and subscribe to _INBOX.>',
    list: 'publish to $JS.API.> and subscribe to _INBOX.>',
    delete: 'publish to $O.BUCKET.> and $JS.API.STREAM.PURGE.OBJ_BUCKET',
  },
  sftp: { write: 'write to the directory', read: 'read its files', list: 'read the directory', delete: 'write to the directory' },
  webdav: { write: 'PUT and MOVE', read: 'GET', list: 'PROPFIND', delete: 'DELETE' },
  file: { write: 'write to the directory', read: 'read its files', list: 'read the directory', delete: 'write to the directory' },
};

/** What a step's error means for the destination of `spec`. */
export function explainFailure(error: unknown, step: CheckStepName, spec: StoreSpec): Explanation {
  const { code, message, hint, details } = errorToData(error);
  const cause = sentence(message);
  switch (code) {
    case 'CONTAINER_NOT_FOUND':
      return { code, cause, fix: makeContainer(spec) ?? hint ?? 'Create it.' };
    case 'ACCESS_DENIED':
      return { code, cause, fix: hint === undefined || /^Allow /.test(hint) ? lacking(step, spec) : `${lacking(step, spec)} ${hint}` };
    case 'RESPONSE_INVALID':
      return {
        code,
        cause,
        fix: hint ?? 'Is the endpoint that of the service itself, and is nothing between, such as a proxy or a login page?',
      };
    default:
      return {
        code,
        cause,
        fix: withSkew(hint ?? FIXES[code] ?? 'Run it again; if this repeats, look at the service.', details?.clockSkewMs),
      };
  }
}

const FIXES: Partial<Readonly<Record<ErrorCode, string>>> = {
  STORAGE_UNAVAILABLE: 'Is the endpoint right, does its name resolve here, and does a firewall let this machine through?',
  TIMEOUT: 'The service is reached but does not answer: look at it, and at what lies between.',
  STORAGE_THROTTLED: 'The service asks for fewer requests: run it again later, or lower the number of requests at once.',
  STORAGE_FULL: 'Make room there, or raise the quota.',
  CREDENTIALS_INVALID: 'Check the keys or tokens of this replica, and whether they have expired.',
  ENDPOINT_UNTRUSTED: 'Check the certificate or the host key, and name the one to trust in the configuration.',
  OBJECT_NOT_FOUND: 'What was just written is not found: is the endpoint one service, or several that are not in step?',
  NOT_SUPPORTED: 'This service lacks what this needs.',
};

function lacking(step: CheckStepName, spec: StoreSpec): string {
  const right = RIGHTS[spec.type][RIGHT_OF[step]].replaceAll('BUCKET', 'bucket' in spec ? spec.bucket : '');
  const whom = 'The login of this replica lacks a right';
  if (step === 'delete' || step === 'delete-missing')
    return `${whom}: ${right}. Backups are written all the same, but retention cannot delete: grant it, or switch retention off and expire files by a rule of the service.`;
  return `${whom}: ${right}.`;
}

/** How the container is made; undefined where there is none. */
function makeContainer(spec: StoreSpec): string | undefined {
  switch (spec.type) {
    case 's3': {
      const endpoint = spec.endpoint === undefined ? '' : ` --endpoint-url ${spec.endpoint}`;
      const region = spec.region === undefined ? '' : ` --region ${spec.region}`;
      return `Create it: aws s3 mb s3://${spec.bucket}${region}${endpoint}`;
    }
    case 'gs':
      return `Create it: gcloud storage buckets create gs://${spec.bucket}${spec.projectID === undefined ? '' : ` --project ${spec.projectID}`}`;
    case 'abs':
      return `Create it: az storage container create --name ${spec.bucket}${spec.accountName === undefined ? '' : ` --account-name ${spec.accountName}`}`;
    case 'oss':
      return `Create it: ossutil mb oss://${spec.bucket}${spec.region === undefined ? '' : ` --region ${spec.region}`}`;
    case 'nats':
      return `Create it: nats object add ${spec.bucket} --server ${spec.servers.join(',')}`;
    default:
      return undefined;
  }
}

function withSkew(fix: string, skew: unknown): string {
  if (typeof skew !== 'number' || Math.abs(skew) < 1000 || /clock/i.test(fix)) return fix;
  return `${fix} ${describeSkew(skew)}`;
}

/** @param skewMs how far the service's clock is ahead of ours. */
export const describeSkew = (skewMs: number): string =>
  `The clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the service's: set it right.`;

const sentence = (message: string): string =>
  message
    .split('\n', 1)
    .join('')
    .replace(/[.\s]+$/, '')
    .slice(0, 400);
