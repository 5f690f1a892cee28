/** What servers and connections answer, turned into our codes at this one place. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { retryAfterMs } from '../remote/answer-times.ts';
import { legible } from '../remote/foreign-answer.ts';
import { bareCause, networkFailure } from '../remote/network-error.ts';
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
  const retryAfter = retryAfterMs([headers['retry-after'] ?? []].flat()[0]);
  const details = {
    status,
    url,
    ...(requestID === undefined ? {} : { requestID }),
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
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
  const words = legible(text);
  return words === '' ? '' : `: "${words}"`;
}

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '');

/** Gives an error of a connection our code and `message`; anything else is returned untouched. */
export function connectionError(error: unknown, message: string, host: string): unknown {
  if (error instanceof LitestreamError) return error;
  if (error instanceof SilentPeer)
    return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: ${host}: ${error.message}`, {
      cause: error,
      hint: 'It is tried again.',
    });
  const code = systemCode(error);
  if (code === undefined) return isLostConnection(error) ? lost(error, message, host) : error;
  if (code.startsWith('HPE_'))
    return new LitestreamError('RESPONSE_INVALID', `${message}: ${host} does not speak HTTP there (${code})`, {
      cause: error,
      hint: 'Check scheme and port.',
    });
  const failure = networkFailure(code, process.env);
  if (failure === undefined) return error;
  const what = failure.code === 'ENDPOINT_UNTRUSTED' ? `the certificate of ${host} is not accepted` : `the connection to ${host} failed`;
  return new LitestreamError(failure.code, `${message}: ${what} (${code})`, {
    cause: bareCause(error),
    hint: failure.hint,
    details: { system: code },
  });
}

function lost(error: unknown, message: string, host: string): LitestreamError {
  return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: the connection to ${host} was closed`, {
    cause: error,
    hint: 'It is tried again.',
  });
}

const isLostConnection = (error: unknown): boolean =>
  error instanceof Error && /connection was closed|aborted|socket hang up|premature close/i.test(error.message);
