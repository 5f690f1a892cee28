/** Errors in the words of each service, as its documentation has them. */

import type { Answer } from '../../support/fault-proxy.ts';
import type { Words } from './backend.ts';

const HTML = '<html><head><title>Bad gateway</title></head><body>The proxy is unwell</body></html>';

/** What load balancers say, whatever stands behind them. */
export const PROXY_ERRORS: readonly Answer[] = [500, 502, 503, 504].map((status) => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: HTML,
}));

/** What a captive portal or a wrong endpoint says. */
export const NOT_THE_PROTOCOL: readonly (readonly [what: string, answer: Answer])[] = [
  ['an HTML page', { status: 200, headers: { 'content-type': 'text/html' }, body: HTML }],
  ['nothing', { status: 200, headers: { 'content-type': 'text/plain' }, body: '' }],
];

const xml = (status: number, code: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/xml', 'x-amz-request-id': 'REQ-17', 'x-oss-request-id': 'REQ-17', ...headers },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>in the words of the service</Message><RequestId>REQ-17</RequestId></Error>`,
});

export const S3_WORDS: Words = {
  throttled: [xml(503, 'SlowDown'), xml(429, 'TooManyRequests'), xml(408, 'RequestCanceled')],
  broken: [xml(500, 'InternalError'), xml(400, 'RequestTimeout'), ...PROXY_ERRORS],
  denied: xml(403, 'AccessDenied'),
  expired: xml(400, 'ExpiredToken'),
  full: xml(507, 'QuotaExceeded'),
  archived: xml(403, 'InvalidObjectState'),
};

export const OSS_WORDS: Words = {
  throttled: [xml(503, 'QpsLimitExceeded'), xml(429, 'TooManyRequests')],
  broken: [xml(500, 'InternalError'), xml(400, 'RequestTimeout'), ...PROXY_ERRORS],
  denied: xml(403, 'AccessDenied'),
  expired: xml(403, 'SecurityTokenExpired'),
  archived: xml(403, 'InvalidObjectState'),
};

const azure = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml', 'x-ms-error-code': code, 'x-ms-request-id': 'REQ-17' },
  body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>in the words of the service</Message></Error>`,
});

export const AZURE_WORDS: Words = {
  throttled: [azure(503, 'ServerBusy'), azure(429, 'TooManyRequests')],
  broken: [azure(500, 'InternalError'), azure(500, 'OperationTimedOut'), ...PROXY_ERRORS],
  denied: azure(403, 'AuthorizationPermissionMismatch'),
  expired: azure(403, 'AuthenticationFailed'),
  archived: azure(409, 'BlobArchived'),
};

const google = (status: number, reason: string): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8', 'x-guploader-uploadid': 'REQ-17' },
  body: JSON.stringify({
    error: { code: status, message: 'in the words of the service', errors: [{ reason, message: 'in the words of the service' }] },
  }),
});

export const GOOGLE_WORDS: Words = {
  throttled: [google(429, 'rateLimitExceeded')],
  broken: [google(500, 'internalError'), google(503, 'backendError'), ...PROXY_ERRORS],
  denied: google(403, 'forbidden'),
  expired: google(401, 'authError'),
};

const plain = (status: number): Answer => ({ status, headers: { 'content-type': 'text/plain' }, body: 'in the words of the service' });

export const WEBDAV_WORDS: Words = {
  throttled: [plain(429), plain(503)],
  broken: [plain(500), plain(408), ...PROXY_ERRORS],
  denied: plain(403),
  expired: plain(401),
  full: plain(507),
};
