/** The SDK's client, set up so that every service that speaks S3 understands it. */

import { createHash } from 'node:crypto';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { VERSION } from '../../version.ts';
import type { S3StoreSpec } from '../spec.ts';
import { staticCredentials } from './credentials.ts';
import type { HTTPHandler } from './http-handler.ts';
import type { Plan } from './plan.ts';

/** The SDK must never write to the console. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

interface SignableRequest {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** A client for one region; `region` undefined leaves it to the environment and the profile. */
export function makeClient(spec: S3StoreSpec, plan: Plan, handler: HTTPHandler, region: string | undefined): S3Client {
  const credentials = staticCredentials(spec);
  const config: S3ClientConfig & { readonly ignoreCache: boolean } = {
    ...(region === undefined ? {} : { region }),
    ...(plan.endpoint === undefined ? {} : { endpoint: plan.endpoint }),
    ...(spec.profile === undefined ? {} : { profile: spec.profile }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: plan.pathStyle,
    useArnRegion: true,
    followRegionRedirects: false,
    // Lookalikes refuse the SDK's checksum headers and trailers; every LTX file carries a checksum of its own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    customUserAgent: [['litestream', VERSION]],
    retryStrategy: ONCE_MORE_AFTER_SKEW,
    maxAttempts: 2,
    logger: SILENT,
    requestHandler: handler as unknown as NonNullable<S3ClientConfig['requestHandler']>,
    // Handed on to the readers of the shared files: a new client reads rotated credentials.
    ignoreCache: true,
  };
  const client = new S3Client(config);
  addHeaders(client, plan);
  return client;
}

/**
 * No repetition but one: when the SDK has just measured how far this machine's clock is off. Everything else is the retry wrapper's, whose
 * attempts are not drained by an outage as the SDK's quota is.
 */
const ONCE_MORE_AFTER_SKEW: NonNullable<Exclude<S3ClientConfig['retryStrategy'], () => unknown>> = {
  acquireInitialRetryToken: async () => retryToken(0),
  refreshRetryTokenForRetry: async (token, info) => {
    const corrected = (info.error as { readonly $metadata?: { readonly clockSkewCorrected?: boolean } }).$metadata?.clockSkewCorrected;
    if (corrected !== true || token.getRetryCount() > 0) throw info.error;
    return retryToken(1);
  },
  recordSuccess: () => {},
};

const retryToken = (count: number) => ({ getRetryCount: () => count, getRetryDelay: () => 0, getRetryCost: () => 0 });

function addHeaders(client: S3Client, plan: Plan): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const request = args.request as SignableRequest;
      Object.assign(request.headers, plan.headers);
      if (context.commandName === 'DeleteObjectsCommand' && plan.contentMD5) useContentMD5(request);
      // The signer takes what stands here for the hash of the payload.
      if (!plan.signPayload) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'litestreamHeaders' },
  );
  if (plan.endpoint === undefined) return;
  client.middlewareStack.addRelativeTo(withoutExtras, {
    relation: 'before',
    toMiddleware: 'httpSigningMiddleware',
    name: 'litestreamPlainHeaders',
  });
}

/** Signed but of no use to a lookalike: a proxy that strips them would break the signature. */
const withoutExtras =
  <A, R>(next: (args: A) => Promise<R>) =>
  (args: A): Promise<R> => {
    const { headers } = (args as { readonly request: SignableRequest }).request;
    for (const name of ['amz-sdk-invocation-id', 'amz-sdk-request', 'x-amz-user-agent']) delete headers[name];
    return next(args);
  };

/** Lookalikes know the checksum of a batch delete only in its old form. */
function useContentMD5({ headers, body }: SignableRequest): void {
  for (const name of Object.keys(headers)) {
    if (/^x-amz-(?:checksum-|sdk-checksum-algorithm)/i.test(name)) delete headers[name];
  }
  if (headers['content-md5'] !== undefined || !(typeof body === 'string' || body instanceof Uint8Array)) return;
  headers['content-md5'] = createHash('md5').update(body).digest('base64');
}
