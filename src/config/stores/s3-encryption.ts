/** Encryption at the side of the S3 server: by its own keys, by a key of KMS, or by one that is sent along. */

import { readFileSync } from 'node:fs';
import { registerSecret } from '../../base/redact.ts';
import { isOpenToReaders } from '../hosts.ts';
import { absolutePath } from '../paths.ts';
import type { Placed } from '../section.ts';
import type { StoreContext } from './kind.ts';

interface EncryptionValues {
  readonly 'server-side-encryption'?: Placed<'auto' | 'AES256' | 'none'>;
  readonly 'sse-kms-key-id'?: Placed<string>;
  readonly 'sse-customer-key'?: Placed<string>;
  readonly 'sse-customer-key-path'?: Placed<string>;
}

interface Encryption {
  readonly serverSideEncryption?: 'AES256' | 'none';
  readonly sseKmsKeyID?: string;
  readonly sseCustomerKey?: string;
}

/** Reports what excludes each other, and a key that cannot be used. */
export function readEncryption(values: EncryptionValues, endpoint: string | undefined, context: StoreContext): Encryption {
  const { 'server-side-encryption': own, 'sse-kms-key-id': kms } = values;
  const { findings } = context;
  const customer = customerKey(values, context);
  const customerAt = values['sse-customer-key-path']?.at ?? values['sse-customer-key']?.at;
  if (kms !== undefined && customerAt !== undefined) findings.error(kms.at, 'sse-kms-key-id and sse-customer-key exclude each other');
  const word = own?.value === 'auto' ? undefined : own?.value;
  const other = kms === undefined ? 'sse-customer-key' : 'sse-kms-key-id';
  if (own !== undefined && word !== undefined && (kms !== undefined || customerAt !== undefined))
    findings.error(own.at, `"${word}" and ${other} exclude each other`);
  if (customer !== undefined && customerAt !== undefined && endpoint !== undefined && isOpenToReaders(endpoint))
    findings.error(customerAt, 'a key that is sent along needs an https endpoint');
  return {
    ...(word === undefined ? {} : { serverSideEncryption: word }),
    ...(kms === undefined ? {} : { sseKmsKeyID: kms.value }),
    ...(customer === undefined ? {} : { sseCustomerKey: customer }),
  };
}

function customerKey(values: EncryptionValues, { env, findings }: StoreContext): string | undefined {
  const { 'sse-customer-key': inline, 'sse-customer-key-path': file } = values;
  const key = file === undefined ? inline?.value : readKeyFile(file, env, findings);
  const at = file?.at ?? inline?.at;
  if (key === undefined || at === undefined) return undefined;
  if (/^[A-Za-z0-9+/]{43}=$/.test(key)) return key;
  findings.error(at, `the key of SSE-C is not 32 bytes in base64; make one with: openssl rand -base64 32`);
  return undefined;
}

function readKeyFile(file: Placed<string>, env: StoreContext['env'], findings: StoreContext['findings']): string | undefined {
  const path = absolutePath(file.value, env);
  try {
    const key = readFileSync(path, 'utf8').trim();
    registerSecret(key);
    return key;
  } catch {
    findings.error(file.at, `the key of SSE-C cannot be read from ${path}`);
    return undefined;
  }
}
