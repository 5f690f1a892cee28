/** A spec and what is known of its provider, merged into what the requests need. */

import { LitestreamError } from '../../base/errors.ts';
import type { S3StoreSpec } from '../spec.ts';
import { type EncryptionParameters, encryptionOf } from './encryption.ts';
import { hostOf, type Provider, providerOf } from './providers.ts';

export interface Plan {
  readonly provider: Provider;
  /** With scheme; undefined for AWS. */
  readonly endpoint: string | undefined;
  /** For messages. */
  readonly host: string;
  readonly pathStyle: boolean;
  readonly contentMD5: boolean;
  readonly signPayload: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly encryption: EncryptionParameters;
  readonly storageClass: string | undefined;
  /** Bytes. */
  readonly partSize: number;
  readonly concurrency: number;
}

export const LEAST_PART_BYTES = 5 * 1024 * 1024;

/** CONFIG_INVALID, before any request, for settings that no request could be made with. */
export function planOf(spec: S3StoreSpec, env: NodeJS.ProcessEnv): Plan {
  const { bucket, partSize = LEAST_PART_BYTES } = spec;
  if (bucket === '') throw invalid(spec, 'the name of the bucket is missing', 'Set bucket, or a URL such as s3://bucket/path.');
  if (partSize < LEAST_PART_BYTES) {
    throw invalid(
      spec,
      `part-size is ${partSize} bytes, and S3 takes no part under 5 MiB`,
      'Set part-size to 5MiB or more; 5MB is less than 5 MiB.',
    );
  }
  const endpoint = endpointOf(spec, env);
  const provider = providerOf(endpoint);
  const pathStyle = pathStyleOf(spec, endpoint, provider);
  return {
    provider,
    endpoint,
    host: endpoint === undefined ? 'AWS' : endpoint.replace(/^\w+:\/\//, ''),
    pathStyle,
    contentMD5: spec.requireContentMD5 ?? provider.contentMD5,
    signPayload: spec.signPayload ?? provider.signPayload,
    headers: provider.headers,
    encryption: encryptionOf(spec, endpoint, provider),
    storageClass: spec.storageClass === '' ? undefined : spec.storageClass,
    partSize,
    concurrency: spec.concurrency ?? provider.concurrency,
  };
}

/** The SDK's own variable counts as if it stood in the configuration: otherwise it would get past all that is known of providers. */
function endpointOf(spec: S3StoreSpec, env: NodeJS.ProcessEnv): string | undefined {
  const text = [spec.endpoint, env.AWS_ENDPOINT_URL_S3, env.AWS_ENDPOINT_URL].find((value) => value !== undefined && value !== '');
  if (text === undefined) return undefined;
  const endpoint = (text.includes('://') ? text : `https://${text}`).replace(/(?<=[^/:])\/+$/, '');
  if (hostOf(endpoint) === undefined || !/^https?:/.test(endpoint)) {
    throw invalid(
      spec,
      'its endpoint is not an http or https address without user info',
      'Set endpoint to something like https://s3.example.com.',
    );
  }
  return endpoint;
}

function pathStyleOf(spec: S3StoreSpec, endpoint: string | undefined, provider: Provider): boolean {
  const isARN = spec.bucket.startsWith('arn:');
  if (isARN && spec.forcePathStyle === true) {
    throw invalid(spec, 'an access point has no path style', 'Leave force-path-style out.');
  }
  if (isARN) return false;
  return spec.forcePathStyle ?? (endpoint !== undefined && provider.pathStyle);
}

const invalid = ({ bucket }: S3StoreSpec, what: string, hint: string): LitestreamError =>
  new LitestreamError('CONFIG_INVALID', `cannot use s3://${bucket}: ${what}`, { hint });
