/** Where the credentials of a destination come from. */

import { LitestreamError } from '../../base/errors.ts';
import type { S3StoreSpec } from '../spec.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * The keys of the configuration, session token included; undefined when it has none and the SDK's chain is asked: environment, shared files
 * and SSO, web identity, container, instance. CONFIG_INVALID for half a pair.
 */
export function staticCredentials({ bucket, credentials = {} }: S3StoreSpec): Credentials | undefined {
  const { accessKeyID = '', secretAccessKey = '', sessionToken = '' } = credentials;
  if (accessKeyID === '' && secretAccessKey === '') return undefined;
  if (accessKeyID === '' || secretAccessKey === '') {
    throw new LitestreamError(
      'CONFIG_INVALID',
      `cannot log in to s3://${bucket}: only ${accessKeyID === '' ? 'secret-access-key' : 'access-key-id'} is set`,
      { hint: 'Set both access-key-id and secret-access-key, or neither.' },
    );
  }
  return { accessKeyId: accessKeyID, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) };
}
