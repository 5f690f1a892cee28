/** Failures of connections, told apart by what has to be done about them. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';

/** The certificate is not accepted. */
const UNTRUSTED =
  /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT|UNABLE_TO_|HOSTNAME_MISMATCH$|CA_MD_TOO_WEAK$|EE_KEY_TOO_SMALL$|INVALID_CA$|PATH_LENGTH_EXCEEDED$)/;

/** The two sides found no common language before there was a certificate to look at. */
const NO_TLS = /^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/;

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The name of the host is unknown: is the endpoint right, and does name resolution work on this machine?',
  EAI_AGAIN: 'Name resolution does not answer on this machine.',
  ECONNREFUSED: 'Nothing listens there: is the endpoint right, and is the service up?',
  ETIMEDOUT: 'The host does not answer: is the endpoint right, and does a firewall let this machine through?',
  EHOSTUNREACH: 'There is no way to the host from this machine.',
  ENETUNREACH: 'There is no way to the network of the host from this machine.',
  EMFILE: 'The limit of open files is reached (ulimit -n).',
  ENFILE: "The system's limit of open files is reached.",
};

/** Failures of the way to a host. */
const ON_THE_WAY = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Where connections are refused or names are unknown, it may be the proxy that is meant. */
const PROXIES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];

/**
 * What a connection that failed with this system code means, with the next step; undefined for codes of other things.
 * @param env where the variables of proxies stand, for stores that use them.
 */
export function networkFailure(
  code: string | undefined,
  env: NodeJS.ProcessEnv = {},
): { readonly code: ErrorCode; readonly hint: string } | undefined {
  if (code === undefined) return undefined;
  if (UNTRUSTED.test(code)) {
    return {
      code: 'ENDPOINT_UNTRUSTED',
      hint: 'The TLS certificate of the endpoint is not accepted: check the name and the date, and add its authority with NODE_EXTRA_CA_CERTS.',
    };
  }
  if (NO_TLS.test(code)) {
    return { code: 'STORAGE_UNAVAILABLE', hint: 'The endpoint does not speak TLS as expected: does it want http:// instead of https://?' };
  }
  if (!/^(?:E[A-Z]+|EAI_AGAIN|UND_ERR_\w+|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/.test(code)) return undefined;
  const hint = HINTS[code] ?? 'The connection broke; it is tried again.';
  const proxy = ON_THE_WAY.has(code) ? PROXIES.find((name) => env[name] !== undefined && env[name] !== '') : undefined;
  return {
    code: 'STORAGE_UNAVAILABLE',
    hint: proxy === undefined ? hint : `${hint} ${proxy} is set: is that proxy right, and should NO_PROXY name this host?`,
  };
}

/** The system code of an error or of what caused it, down a few steps. */
export function systemCodeWithin(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 4 && current instanceof Error; depth++) {
    if (current instanceof AggregateError && current.errors.length > 0 && systemCode(current) === undefined) current = current.errors[0];
    const code = systemCode(current);
    if (code !== undefined && networkFailure(code) !== undefined) return code;
    current = current instanceof Error ? current.cause : undefined;
  }
  return undefined;
}

/** A message of system or library in one line; of what OpenSSL says, the reason without the places in its source. */
export function inOneLine(said: string): string {
  const message = String(said); // a client library may have put the parsed answer there
  const reason = /error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  return reason === undefined ? message.trim().replace(/\s*\n\s*/g, ' ') : `TLS: ${reason}`;
}

/** A stand-in for an error of a client library: its text and system code without the request it carries, which may hold credentials. */
export function bareCause(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(inOneLine(String(error)));
  const bare = new Error(inOneLine(error.message));
  bare.name = error.name;
  const code = systemCodeWithin(error);
  return code === undefined ? bare : Object.assign(bare, { code });
}

/** A read that ended before its announced end: the reader goes on where it broke off. */
export function truncated(what: string, error: unknown): LitestreamError {
  const code = systemCodeWithin(error);
  return new LitestreamError('READ_TRUNCATED', `${what} broke off${code === undefined ? '' : ` (${code})`}`, { cause: bareCause(error) });
}
