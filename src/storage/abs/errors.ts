/** Failures of the Azure client, turned into ours at this one place. */

import { isRestError, type RestError } from '@azure/storage-blob';
import { LitestreamError } from '../../base/errors.ts';
import { clockSkewMs, retryAfterMs } from '../remote/answer-times.ts';
import { inAFewWords, isForeignRefusal } from '../remote/foreign-answer.ts';
import { bareCause, networkFailure, systemCodeWithin } from '../remote/network-error.ts';
import { AZURE_CODES, FOREIGN, type Meaning, meaningOfStatus } from './codes.ts';

/** What was being done where, for messages. */
export interface Doing {
  readonly verb: 'list' | 'open' | 'stat' | 'put' | 'delete';
  readonly key: string;
  readonly container: string;
  readonly endpoint: string;
}

const WORDS: Readonly<Record<Doing['verb'], string>> = { list: 'list', open: 'open', stat: 'look at', put: 'write', delete: 'delete' };

/** Further off than this, a clock is worth mentioning. The service itself tolerates 15 minutes. */
const NOTABLE_SKEW_MS = 60_000;

/** The words of an operation: what, in which container, where. */
export const sentence = ({ verb, key, container, endpoint }: Doing): string =>
  `cannot ${WORDS[verb]} ${verb === 'list' ? `"${key}"` : key} in container ${container} at ${endpoint}`;

/** An answer that is not the service's, whatever it calls itself. */
export function foreign(doing: Doing, what: string): LitestreamError {
  return failed(undefined, doing, FOREIGN, what);
}

/** Our error for `error`; what is ours already passes through. The cause keeps no request, which would hold a signature. */
export function azureError(error: unknown, doing: Doing): LitestreamError {
  if (error instanceof LitestreamError) return error;
  if (isRestError(error) && error.statusCode !== undefined) return refused(error, error.statusCode, doing);
  const network = networkFailure(systemCodeWithin(error), process.env);
  if (network !== undefined) return failed(error, doing, [network.code, network.hint], systemCodeWithin(error) ?? '');
  const name = error instanceof Error ? error.name : '';
  if (/^(?:Credential|Authentication|AggregateAuthentication)/.test(name)) return withoutToken(error, doing);
  if (error instanceof Error && /Bearer token authentication is not permitted/.test(error.message)) return withoutToken(error, doing);
  // The library aborts a request of ours only when our signal fires, which callers look at first.
  if (name === 'AbortError')
    return failed(error, doing, ['STORAGE_UNAVAILABLE', 'The connection broke; it is tried again.'], 'connection broken');
  if (isRestError(error) && error.code === 'REQUEST_SEND_ERROR') {
    return failed(error, doing, ['STORAGE_UNAVAILABLE', 'The connection broke; it is tried again.'], 'connection broken');
  }
  // Anything else is the library failing over an answer that it cannot read.
  const answer = isRestError(error) ? error.response : undefined;
  const what = answer === undefined ? '' : `: ${inAFewWords(answer.headers.get('content-type'), answer.bodyAsText)}`;
  return failed(error, doing, FOREIGN, `the answer is not that of the service${what}`);
}

function failed(error: unknown, doing: Doing, [code, hint]: Meaning, what: string, more: Record<string, unknown> = {}): LitestreamError {
  const details = { operation: doing.verb, container: doing.container, ...(doing.key === '' ? {} : { key: doing.key }), ...more };
  return new LitestreamError(code, `${sentence(doing)} (${what})`, {
    ...(error === undefined ? {} : { cause: bareCause(error) }),
    hint,
    details,
  });
}

function refused(error: RestError, status: number, doing: Doing): LitestreamError {
  const header = (name: string): string | undefined => error.response?.headers.get(name);
  const provider = header('x-ms-error-code') ?? codeInBody(error);
  const requestID = header('x-ms-request-id');
  const isAzure = provider !== undefined || requestID !== undefined || header('x-ms-version') !== undefined;
  const isForeign = !isAzure && isForeignRefusal(status, header('content-type'), error.response?.bodyAsText);
  const meaning = (provider === undefined ? undefined : AZURE_CODES[provider]) ?? (isForeign ? FOREIGN : meaningFor(status, isAzure));
  const retryAfter = retryAfterMs(header('retry-after'));
  const { hint, skew } = explain(meaning, header('date'), error);
  const foreign = isAzure ? '' : `, answered with ${inAFewWords(header('content-type'), error.response?.bodyAsText)}`;
  return failed(
    error,
    doing,
    [meaning[0], hint],
    `${status} ${provider ?? 'without a code'}${foreign}${requestID === undefined ? '' : `, request ${requestID}`}`,
    {
      status,
      ...(provider === undefined ? {} : { provider }),
      ...(requestID === undefined ? {} : { requestID }),
      ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
      ...(skew === undefined ? {} : { clockSkewMs: skew }),
    },
  );
}

/** A success that is none of this operation's own reaches us as a failure. */
const meaningFor = (status: number, isAzure: boolean): Meaning => (status < 400 ? FOREIGN : meaningOfStatus(status, isAzure));

function codeInBody(error: RestError): string | undefined {
  const body = error.response?.bodyAsText ?? '';
  return /<Error>\s*<Code>([A-Za-z]{1,80})<\/Code>/.exec(body)?.[1];
}

/** Credentials that fail may have run out, or a clock may be off. The service's own sentence names the times, and nothing secret. */
function explain([code, hint]: Meaning, date: string | undefined, error: RestError): { readonly hint: string; readonly skew?: number } {
  if (code !== 'CREDENTIALS_INVALID') return { hint };
  const skew = clockSkewMs(date);
  const text = `${error.response?.bodyAsText ?? ''} ${error.message}`;
  const frame = /not valid in the specified time frame[^<]*/i.exec(text)?.[0];
  if (frame !== undefined) return { hint: `The SAS has expired or is not valid yet: ${frame.trim().slice(0, 200)}. Make a new one.` };
  if (skew !== undefined && Math.abs(skew) > NOTABLE_SKEW_MS) {
    return {
      hint: `The clock of this machine is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'behind' : 'ahead of'} the service's: set it right.`,
      skew,
    };
  }
  if (/date header|too old/i.test(text))
    return { hint: 'The service refuses the date of the request: set the clock of this machine right.' };
  return { hint };
}

/** The chain of the environment found no credentials, or nobody gave a token for them. */
function withoutToken(error: unknown, doing: Doing): LitestreamError {
  const status = (error as { readonly statusCode?: unknown }).statusCode;
  const isPassing = typeof status === 'number' && (status >= 500 || status === 429);
  const meaning: Meaning = isPassing
    ? ['STORAGE_UNAVAILABLE', 'The service that gives out tokens fails; it is tried again.']
    : [
        'CREDENTIALS_INVALID',
        'Set account-key, sas-token or connection-string, or log this machine in: AZURE_CLIENT_ID …, a managed identity, or az login.',
      ];
  return failed(error, doing, meaning, `no token: ${error instanceof Error ? error.name : 'unknown'}`);
}
