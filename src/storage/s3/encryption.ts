/** Server-side encryption: which headers go with which request. */

import { isIP } from 'node:net';
import { LitestreamError } from '../../base/errors.ts';
import type { S3StoreSpec } from '../spec.ts';
import type { ProviderTraits } from './providers.ts';

interface CustomerKey {
  readonly SSECustomerAlgorithm?: 'AES256';
  readonly SSECustomerKey?: string;
}

export interface EncryptionParameters {
  /** For puts, and for the start of a multipart upload. */
  readonly write: CustomerKey & { readonly ServerSideEncryption?: 'AES256' | 'aws:kms'; readonly SSEKMSKeyId?: string };
  /** For reads, heads, parts and completions: only a customer's key has to be told again. */
  readonly access: CustomerKey;
}

/**
 * CONFIG_INVALID for a customer key that is not base64 of 32 bytes, that would travel in the clear to a public host, or beside a KMS key.
 *
 * SSE-S3 is asked for unless switched off where the provider is known to take it (docs/decisions/0066).
 */
export function encryptionOf(spec: S3StoreSpec, endpoint: string | undefined, traits: ProviderTraits): EncryptionParameters {
  const key = spec.credentials?.sseCustomerKey;
  const kms = spec.sseKmsKeyID;
  if (key !== undefined && key !== '') {
    if (kms !== undefined && kms !== '') {
      throw invalid(spec, 'a customer key and a KMS key exclude each other', 'Set either sse-customer-key or sse-kms-key-id.');
    }
    checkCustomerKey(spec, key, endpoint);
    const access = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key } as const;
    return { write: access, access };
  }
  if (kms !== undefined && kms !== '') return { write: { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kms }, access: {} };
  const wanted = spec.serverSideEncryption ?? (traits.sseS3 ? 'AES256' : 'none');
  return { write: wanted === 'AES256' ? { ServerSideEncryption: 'AES256' } : {}, access: {} };
}

function checkCustomerKey(spec: S3StoreSpec, key: string, endpoint: string | undefined): void {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.byteLength !== 32 || bytes.toString('base64') !== key.trim()) {
    throw invalid(spec, 'the customer key is not base64 of 32 bytes', 'Make one with: openssl rand -base64 32');
  }
  if (endpoint?.startsWith('http://') === true && !isPrivateHost(URL.parse(endpoint)?.hostname ?? '')) {
    throw invalid(spec, 'a customer key would travel unencrypted over plain HTTP', 'Use an https:// endpoint.');
  }
}

/** This machine, or an address that is not routed on the Internet. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.local') || host.endsWith('.internal')) return true;
  if (isIP(host) === 4) return /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(host);
  return isIP(host) === 6 && /^(?:::1$|f[cd]|fe[89ab])/.test(host);
}

const invalid = (spec: S3StoreSpec, what: string, hint: string): LitestreamError =>
  new LitestreamError('CONFIG_INVALID', `cannot encrypt at s3://${spec.bucket}: ${what}`, { hint });
