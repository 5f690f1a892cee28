/** What servers and connections answer, turned into our codes at this one place. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { SilentPeer } from './http.ts';

/** An answer, as far as errors are about it. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** First characters of the body. */
  readonly text: string;
  /** URL that was asked, without user info. */
  readonly url: string;
}

const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  401: ['CREDENTIALS_INVALID', 'Check user and password; some services want an app password here.'],
  403: ['ACCESS_DENIED', 'Give the user read and write permission on the destination.'],
  404: ['OBJECT_NOT_FOUND', 'Check the path; another process may have removed it.'],
  405: ['NOT_SUPPORTED', 'The server does not take this method there: is the URL that of its WebDAV service?'],
  407: ['ACCESS_DENIED', 'The proxy between wants a login.'],
  408: ['STORAGE_UNAVAILABLE', 'It is tried again.'],
  409: ['CONTAINER_NOT_FOUND', 'A directory on the way is missing, or a file stands in its place.'],
  410: ['OBJECT_NOT_FOUND', 'Check the path; another process may have removed it.'],
  412: ['PRECONDITION_FAILED', 'Another process has written this object.'],
  413: [
    'NOT_SUPPORTED',
    'The server, or a proxy before it, does not take files of this size: raise its limit (client_max_body_size, LimitRequestBody).',
  ],
  423: ['STORAGE_UNAVAILABLE', 'Another program holds a WebDAV lock there; it is tried again.'],
  425: ['STORAGE_THROTTLED', 'It is tried again.'],
  429: ['STORAGE_THROTTLED', 'The server asks to be called less often.'],
  501: ['NOT_SUPPORTED', 'The server does not know this method: is it a WebDAV server?'],
  507: ['STORAGE_FULL', 'Free space at the destination or raise the quota; replication goes on by itself.'],
};

/** The error for an answer. @param message what was being done to what. */
export function refusalError(message: string, refusal: Refusal): LitestreamError {
  const { status, headers, text, url } = refusal;
  const requestID = [headers['x-request-id'] ?? []].flat()[0];
  const retryAfter = secondsOf(headers['retry-after']);
  const details = {
    status,
    url,
    ...(requestID === undefined ? {} : { requestID }),
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter * 1000 }),
  };
  const location = [headers.location ?? []].flat()[0];
  if (status >= 300 && status < 400) {
    return new LitestreamError(
      'RESPONSE_INVALID',
      `${message}: ${url} redirects${location === undefined ? '' : ` to ${withoutQuery(location)}`} (HTTP ${status})`,
      {
        hint:
          url.startsWith('http:') && location?.startsWith('https:')
            ? 'Set the URL of the destination to the one with https.'
            : 'Redirects are not followed, because a login would go along: set the URL of the destination to the one it leads to.',
        details,
      },
    );
  }
  const code =
    status === 503 && retryAfter !== undefined ? (['STORAGE_THROTTLED', 'The server asks to be called later.'] as const) : CODES[status];
  if (code !== undefined) return new LitestreamError(code[0], `${message} (HTTP ${status})`, { hint: code[1], details });
  if (status >= 500)
    return new LitestreamError('STORAGE_UNAVAILABLE', `${message} (HTTP ${status}${quoted(text)})`, {
      hint: 'Look at the log of the server.',
      details,
    });
  return invalidResponse(`${message}: HTTP ${status}`, text, details);
}

/** RESPONSE_INVALID: what came is not WebDAV. */
export function invalidResponse(message: string, text: string, details: Readonly<Record<string, unknown>>): LitestreamError {
  return new LitestreamError('RESPONSE_INVALID', `${message}${quoted(text)}`, {
    hint: 'Is the URL that of a WebDAV server, and does a proxy or a login page stand between?',
    details,
  });
}

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim().slice(0, 100);
  return line === '' ? '' : `: ${JSON.stringify(line)}`;
}

function secondsOf(value: string | string[] | undefined): number | undefined {
  const [text] = [value ?? []].flat();
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text.trim())) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.round((at - Date.now()) / 1000));
}

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '');

/** Errors of TLS that mean that the server is not the one it should be. */
const UNTRUSTED = /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_SSL_|EPROTO$|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/;

/** Gives an error of a connection our code and `message`; anything else is returned untouched. */
export function connectionError(error: unknown, message: string, host: string): unknown {
  if (error instanceof LitestreamError) return error;
  if (error instanceof SilentPeer)
    return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: ${host}: ${error.message}`, {
      cause: error,
      hint: 'It is tried again.',
    });
  const code = systemCode(error);
  if (code === undefined) return isLostConnection(error) ? lost(error, message, host, 'closed') : error;
  if (UNTRUSTED.test(code))
    return new LitestreamError('ENDPOINT_UNTRUSTED', `${message}: the certificate of ${host} is not accepted (${code})`, {
      cause: error,
      hint: 'If it was issued by an authority of your own, name its certificate in NODE_EXTRA_CA_CERTS; otherwise renew it.',
      details: { code },
    });
  if (code === 'ENOTFOUND')
    return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: cannot reach ${host} (${code})`, {
      cause: error,
      hint: 'Check the name of the host.',
    });
  return /^(?:E[A-Z_]+|HPE_[A-Z_]+)$/.test(code) ? lost(error, message, host, code) : error;
}

function lost(error: unknown, message: string, host: string, code: string): LitestreamError {
  if (code.startsWith('HPE_'))
    return new LitestreamError('RESPONSE_INVALID', `${message}: ${host} does not speak HTTP there (${code})`, {
      cause: error,
      hint: 'Check scheme and port.',
    });
  return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: the connection to ${host} failed (${code})`, {
    cause: error,
    hint: 'Is the server running, and does a firewall let this machine through? It is tried again.',
    details: { system: code },
  });
}

const isLostConnection = (error: unknown): boolean =>
  error instanceof Error && /connection was closed|aborted|socket hang up|premature close/i.test(error.message);
