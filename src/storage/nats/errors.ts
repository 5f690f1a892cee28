/** What NATS and JetStream say when something fails, in the words of the product. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { networkFailure } from '../remote/network-error.ts';

/** A refusal by the JetStream API: `status` is like HTTP's, `errorCode` the server's own number of the kind of error. */
export class JetStreamError extends Error {
  readonly status: number;
  readonly errorCode: number;

  constructor(status: number, errorCode: number, description: string) {
    super(description);
    this.name = 'JetStreamError';
    this.status = status;
    this.errorCode = errorCode;
  }
}

/** What happened to the connection; `code` as the library has them. */
export class LinkError extends Error {
  readonly code: string;
  readonly permissionContext: { readonly operation: string; readonly subject: string } | undefined;

  constructor(code: string, message: string, options: ErrorOptions & { readonly permissionContext?: LinkError['permissionContext'] } = {}) {
    super(message, options);
    this.name = 'LinkError';
    this.code = code;
    this.permissionContext = options.permissionContext;
  }
}

/** Numbers of https://github.com/nats-io/nats-server/blob/main/server/errors.json that are told apart. */
export const API_ERROR = { noMessage: 10037, streamNotFound: 10059, wrongLastSequence: 10071, storeFailed: 10077 } as const;

const API_CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [API_ERROR.noMessage, 'OBJECT_NOT_FOUND'],
  [API_ERROR.streamNotFound, 'CONTAINER_NOT_FOUND'],
  [API_ERROR.wrongLastSequence, 'PRECONDITION_FAILED'],
  [10164, 'PRECONDITION_FAILED'],
  [10002, 'STORAGE_FULL'], // limits of the account
  [10023, 'STORAGE_FULL'], // of the server
  [10028, 'STORAGE_FULL'], // memory
  [10047, 'STORAGE_FULL'], // disk
  [10026, 'STORAGE_THROTTLED'], // number of consumers
  [10109, 'ACCESS_DENIED'], // the stream is sealed
  [10039, 'NOT_SUPPORTED'], // no JetStream for this account
  [10076, 'NOT_SUPPORTED'], // no JetStream on this server
]);

/** Codes of the library's own errors. */
const CLIENT_CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['AUTHORIZATION_VIOLATION', 'CREDENTIALS_INVALID'],
  ['AUTHENTICATION_EXPIRED', 'CREDENTIALS_INVALID'],
  ['AUTHENTICATION_TIMEOUT', 'CREDENTIALS_INVALID'],
  ['ACCOUNT_EXPIRED', 'CREDENTIALS_INVALID'],
  ['BAD_AUTHENTICATION', 'CREDENTIALS_INVALID'],
  ['BAD_CREDS', 'CREDENTIALS_INVALID'],
  ['PERMISSIONS_VIOLATION', 'ACCESS_DENIED'],
  ['SERVER_OPT_NA', 'ENDPOINT_UNTRUSTED'],
]);

/** The server ended the handshake because of our certificate, or for want of one. */
const OUR_CERTIFICATE =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN)|alert (?:certificate required|bad certificate)/i;

/** The alert by which a server refuses our certificate, or the want of one. */
export const isCertificateRefusal = (error: Error): boolean => OUR_CERTIFICATE.test(`${systemCode(error)} ${error.message}`);

/** What a failure was about. */
export interface Doing {
  /** As in "read DB.ltx": follows "cannot". */
  readonly what: string;
  readonly bucket: string;
  /** Servers, without credentials. */
  readonly servers: string;
}

/** A failure of server or library as one of ours; what comes from elsewhere, as a signal's reason or a source of bytes, passes through. */
export function natsError(error: unknown, doing: Doing): unknown {
  if (!isProviderError(error)) return error;
  const code = codeOf(error);
  const details = { bucket: doing.bucket, servers: doing.servers, provider: providerCode(error) };
  return new LitestreamError(code, `cannot ${doing.what} in NATS object store ${doing.bucket} at ${doing.servers}: ${reason(error)}`, {
    cause: error,
    details,
    hint: hintFor(code, error, doing),
  });
}

/** The library is not asked for its class, so that this file loads without it. */
const isProviderError = (error: unknown): error is Error =>
  error instanceof JetStreamError || error instanceof LinkError || (error instanceof Error && error.name === 'NatsError');

function codeOf(error: Error): ErrorCode {
  if (error instanceof JetStreamError) {
    if (/maximum (?:bytes|messages|memory|storage)|no space left|insufficient (?:storage|resources)/i.test(error.message))
      return 'STORAGE_FULL';
    return (
      API_CODES.get(error.errorCode) ??
      (error.status === 403 ? 'ACCESS_DENIED' : error.status === 429 ? 'STORAGE_THROTTLED' : 'STORAGE_UNAVAILABLE')
    );
  }
  const code = systemCode(error) ?? '';
  const known = CLIENT_CODES.get(code);
  if (known !== undefined) return known;
  const causes = chain(error);
  if (causes.some(isCertificateRefusal)) return 'CREDENTIALS_INVALID';
  if (causes.some((cause) => networkFailure(systemCode(cause))?.code === 'ENDPOINT_UNTRUSTED')) return 'ENDPOINT_UNTRUSTED';
  return 'STORAGE_UNAVAILABLE';
}

/** The error and what it was made of; the library keeps the cause in a field of its own. */
function chain(error: Error): Error[] {
  const next = (error as { chainedError?: unknown }).chainedError ?? error.cause;
  return next instanceof Error ? [error, ...chain(next)] : [error];
}

function providerCode(error: Error): string | undefined {
  return error instanceof JetStreamError ? String(error.errorCode) : systemCode(error);
}

function reason(error: Error): string {
  if (systemCode(error) === '503') return 'nobody answers for JetStream';
  if (systemCode(error) === 'TIMEOUT') return 'no answer in time';
  const last = chain(error).at(-1) ?? error;
  return last.message || systemCode(last) || 'connection lost';
}

function hintFor(code: ErrorCode, error: Error, { bucket, servers }: Doing): string {
  switch (code) {
    case 'CONTAINER_NOT_FOUND':
      return `Make the bucket: nats object add ${bucket}`;
    case 'ACCESS_DENIED': {
      const subject = (error as { permissionContext?: { operation?: string; subject?: string } }).permissionContext;
      return subject?.subject === undefined
        ? 'Give the user the right to change this bucket.'
        : `Allow the user to ${subject.operation === 'subscription' ? 'subscribe' : 'publish'} to "${subject.subject}"; docs/destinations.md lists what is needed.`;
    }
    case 'CREDENTIALS_INVALID':
      return 'Check jwt and seed, creds, nkey, username and password, token or client certificate: the server did not accept them.';
    case 'ENDPOINT_UNTRUSTED':
      return systemCode(error) === 'SERVER_OPT_NA'
        ? 'The server offers no TLS: nothing was sent. Switch TLS on there, or take tls, root-cas and client-cert out of the configuration.'
        : 'Give the authority that signed the server certificate in root-cas, and use the name the certificate was made for.';
    case 'STORAGE_FULL':
      return `Raise the limit of the bucket or of the account (nats object info ${bucket}), or shorten retention.`;
    case 'NOT_SUPPORTED':
      return 'Enable JetStream on the server and for this account.';
    case 'PRECONDITION_FAILED':
      return 'Somebody else wrote the object.';
    case 'OBJECT_NOT_FOUND':
      return 'Look at what there is with litestream ltx.';
    default:
      return systemCode(error) === '503'
        ? 'JetStream is not enabled there, or has no leader at the moment.'
        : `Check that a NATS server answers at ${servers}.`;
  }
}
