/** Failures of Cloud Storage, of its tokens and of the way there, turned into ours at this one place. */

import { LitestreamError } from '../../base/errors.ts';
import { retryAfterMs } from '../remote/answer-times.ts';
import { inAFewWords, isForeignRefusal } from '../remote/foreign-answer.ts';
import { bareCause, networkFailure, systemCodeWithin } from '../remote/network-error.ts';
import { CONTAINER, FOREIGN, type Meaning, MISSING, meaningOf, TOKENLESS } from './codes.ts';
import { type Incoming, textOf } from './http.ts';

/** What was being done where, for messages. */
export interface Doing {
  readonly verb: 'list' | 'open' | 'stat' | 'put' | 'delete';
  readonly key: string;
  readonly bucket: string;
  readonly endpoint: string;
}

const WORDS: Readonly<Record<Doing['verb'], string>> = { list: 'list', open: 'open', stat: 'look at', put: 'write', delete: 'delete' };

/** Bytes of an answer that are looked at for the reason of a failure. */
const ERROR_BYTES = 64 * 1024;

/** The words of an operation: what, in which bucket, where. */
export const sentence = ({ verb, key, bucket, endpoint }: Doing): string =>
  `cannot ${WORDS[verb]} ${verb === 'list' ? `"${key}"` : key} in bucket ${bucket} at ${new URL(endpoint).host}`;

function failed(
  doing: Doing,
  [code, hint]: Meaning,
  what: string,
  { cause, ...more }: { readonly cause?: unknown } & Record<string, unknown> = {},
): LitestreamError {
  const details = { operation: doing.verb, bucket: doing.bucket, ...(doing.key === '' ? {} : { key: doing.key }), ...more };
  return new LitestreamError(code, `${sentence(doing)} (${what})`, {
    ...(cause === undefined ? {} : { cause: bareCause(cause) }),
    hint,
    details,
  });
}

/** An answer that is not the service's, whatever its status. */
export const foreign = (doing: Doing, what: string): LitestreamError => failed(doing, FOREIGN, what);

export const missingObject = (doing: Doing): LitestreamError => failed(doing, MISSING, '404 notFound');
export const missingBucket = (doing: Doing): LitestreamError => failed(doing, CONTAINER, '404 notFound: the bucket does not exist');

/** A request that got no answer. What is ours already passes through. */
export function networkError(error: unknown, doing: Doing): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const code = systemCodeWithin(error);
  const network = networkFailure(code, process.env) ?? {
    code: 'STORAGE_UNAVAILABLE' as const,
    hint: 'The connection broke; it is tried again.',
  };
  return failed(doing, [network.code, network.hint], code ?? 'connection broken', { cause: error });
}

/** An answer that is a refusal. Its body is read as far as needed and let go. */
export async function refusal({ status, headers, body }: Incoming, doing: Doing): Promise<LitestreamError> {
  const { text } = await textOf({ status, headers, body }, ERROR_BYTES).catch(() => ({ text: '' }));
  const said = parseError(text);
  const requestID = headers['x-guploader-uploadid'];
  const isGoogle = said !== undefined || requestID !== undefined;
  const retryAfter = retryAfterMs(headers['retry-after']);
  const what =
    said === undefined
      ? `${status}, answered with ${inAFewWords(headers['content-type'], text)}`
      : `${status} ${said.reason}: ${said.message}`;
  const isForeign = !isGoogle && isForeignRefusal(status, headers['content-type'], text);
  return failed(doing, isForeign ? FOREIGN : meaningOf(status, said?.reason, isGoogle), what, {
    status,
    ...(said === undefined ? {} : { provider: said.reason }),
    ...(typeof requestID === 'string' ? { requestID } : {}),
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
  });
}

interface SaidError {
  readonly reason: string;
  /** First line, cut: it names the principal and the right that is missing. */
  readonly message: string;
}

/** `{"error": {"code", "message", "errors": [{"reason"}]}}`; undefined for anything else. */
function parseError(text: string): SaidError | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; errors?: readonly { reason?: unknown }[]; status?: unknown } };
    if (typeof error !== 'object' || error === null || typeof error.message !== 'string') return undefined;
    const reason = error.errors?.[0]?.reason ?? error.status;
    return { reason: typeof reason === 'string' ? reason : 'unknown', message: (error.message.split('\n', 1)[0] ?? '').slice(0, 200) };
  } catch {
    return undefined;
  }
}

/** No token could be had. The library's text may repeat what it was given, so only what is known to be harmless is kept of it. */
export function tokenError(error: unknown, doing: Doing): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const { message = '', response } = error as {
    message?: string;
    response?: { status?: number; data?: { error?: unknown; error_description?: unknown } };
  };
  const status = response?.status;
  const code = systemCodeWithin(error);
  if (code !== undefined && code !== 'ENOENT' && code !== 'EACCES')
    return failed(
      doing,
      [networkFailure(code)?.code ?? 'STORAGE_UNAVAILABLE', 'The service that gives out tokens cannot be reached.'],
      `no token: ${code}`,
      { cause: Object.assign(new Error(code), { code }) },
    );
  if (status !== undefined && (status >= 500 || status === 429))
    return failed(doing, ['STORAGE_UNAVAILABLE', 'The service that gives out tokens fails; it is tried again.'], `no token: ${status}`);
  const said = `${String(response?.data?.error ?? '')} ${String(response?.data?.error_description ?? '')} ${message}`;
  if (/\biat\b|\bexp\b|short-lived|not yet valid/i.test(said)) {
    return failed(
      doing,
      ['CREDENTIALS_INVALID', 'The token request is refused for its time: set the clock of this machine right.'],
      'no token: refused as expired or not yet valid',
    );
  }
  const reason =
    /invalid_grant|unauthorized_client|invalid_client|Could not load the default credentials|ENOENT|EACCES|account not found/i.exec(
      said,
    )?.[0];
  return failed(doing, TOKENLESS, `no token: ${reason ?? status ?? 'refused'}`);
}
