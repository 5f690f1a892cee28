/**
 * A fake of Alibaba Cloud OSS for tests: the part of its protocol that an object store needs, in memory, on loopback, with signatures checked.
 *
 * Usage: node tools/services/oss/server.ts [--port N] [--security-token TEXT] [--ahead MS]. Prints one line of JSON with its port and how to
 * get in. The token is then demanded with every request; the clock of the fake is that many ms ahead. Objects below `retained/` cannot be
 * deleted, those below `archived/` not be read.
 */

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Bucket, Refused } from './bucket.ts';
import { verify } from './signature.ts';

const { values: flags } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'security-token': { type: 'string' }, ahead: { type: 'string', default: '0' } },
});
const ACCOUNT = {
  region: 'cn-hangzhou',
  accessKeyID: 'LTAI-test-key',
  accessKeySecret: 'test-secret-of-the-fake',
  securityToken: flags['security-token'],
};
const now = (): number => Date.now() + Number(flags.ahead);

const buckets = new Map<string, Bucket>();

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly bucketName: string;
  readonly key: string;
  readonly body: Buffer;
}

createServer((request, response) => {
  response.setHeader('x-oss-request-id', randomBytes(12).toString('hex').toUpperCase());
  response.setHeader('server', 'AliyunOSS');
  response.setHeader('date', new Date(now()).toUTCString());
  serve(request, response).catch((error: unknown) => refuse(request, response, error));
}).listen(Number(flags.port), '127.0.0.1', function (this: { address(): unknown }) {
  const { port } = this.address() as AddressInfo;
  const { region, accessKeyID, accessKeySecret } = ACCOUNT;
  process.stdout.write(`${JSON.stringify({ port, region, accessKeyID, accessKeySecret })}\n`);
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '/', search = ''] = splitOnce(request.url ?? '/', '?');
  const [bucketName, key] = splitOnce(path.slice(1), '/');
  const signed = { method: request.method ?? '', resource: `/${bucketName}/${key}`, search, headers: request.headers };
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const verdict = verify(signed, ACCOUNT, now());
  if (verdict !== undefined) throw new Refused(403, ...verdict);
  const md5 = request.headers['content-md5'];
  if (md5 !== undefined && createHash('md5').update(body).digest('base64') !== md5)
    throw new Refused(400, 'InvalidDigest', 'The Content-MD5 you specified did not match what we received.');
  route({ request, response, query: new URLSearchParams(search), bucketName, key: decodeURIComponent(key), body });
}

const splitOnce = (text: string, by: string): [string, string] => {
  const at = text.indexOf(by);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
};

type Handler = (call: Call, bucket: Bucket) => void;

function route(call: Call): void {
  const { request, bucketName, key } = call;
  if (key === '' && request.method === 'PUT') {
    buckets.set(bucketName, buckets.get(bucketName) ?? new Bucket(bucketName));
    end(call, 200);
    return;
  }
  const bucket = buckets.get(bucketName);
  if (bucket === undefined) throw new Refused(404, 'NoSuchBucket', 'The specified bucket does not exist.');
  const handler = key === '' ? bucketHandler(call) : objectHandler(call);
  if (handler === undefined) throw new Refused(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
  handler(call, bucket);
}

function bucketHandler({ request: { method }, query }: Call): Handler | undefined {
  if (method === 'GET' && query.get('list-type') === '2') return list;
  if (method === 'GET' && query.has('uploads')) return listUploads;
  return method === 'POST' && query.has('delete') ? deleteSeveral : undefined;
}

function objectHandler({ request: { method }, query }: Call): Handler | undefined {
  const part = query.has('uploadId');
  if (method === 'GET' || method === 'HEAD') return sendObject;
  if (method === 'PUT') return part ? putPart : putObject;
  if (method === 'POST') return query.has('uploads') ? beginUpload : part ? completeUpload : undefined;
  return method === 'DELETE' ? remove : undefined;
}

function remove(call: Call, bucket: Bucket): void {
  const id = call.query.get('uploadId');
  if (id === null) bucket.delete(call.key);
  else bucket.abortUpload(call.key, id);
  end(call, 204);
}

function listUploads(call: Call, bucket: Bucket): void {
  const uploads = bucket.uploads.map(([id, key]) => `<Upload><Key>${escapeText(key)}</Key><UploadId>${id}</UploadId></Upload>`);
  xml(call, `<ListMultipartUploadsResult><Bucket>${bucket.name}</Bucket>${uploads.join('')}</ListMultipartUploadsResult>`);
}

function list(call: Call, bucket: Bucket): void {
  const { query } = call;
  const most = Number(query.get('max-keys') ?? '100');
  if (!Number.isInteger(most) || most < 1 || most > 1000) throw new Refused(400, 'InvalidArgument', 'The max-keys is invalid.');
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString('utf8');
  const prefix = query.get('prefix') ?? '';
  const { contents, next } = bucket.list(prefix, after, most);
  const encode = query.get('encoding-type') === 'url' ? encodeForm : (text: string) => text;
  const items = contents.map(
    ([key, { bytes, etag, modified }]) =>
      `<Contents><Key>${escapeText(encode(key))}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>"${etag}"</ETag><Type>Normal</Type><Size>${bytes.length}</Size><StorageClass>Standard</StorageClass></Contents>`,
  );
  const end = next === undefined ? '' : `<NextContinuationToken>${Buffer.from(next).toString('base64url')}</NextContinuationToken>`;
  xml(
    call,
    `<ListBucketResult><Name>${bucket.name}</Name><Prefix>${escapeText(encode(prefix))}</Prefix><MaxKeys>${most}</MaxKeys><Delimiter/>${
      query.has('encoding-type') ? '<EncodingType>url</EncodingType>' : ''
    }<IsTruncated>${next !== undefined}</IsTruncated>${items.join('')}${end}<KeyCount>${contents.length}</KeyCount></ListBucketResult>`,
  );
}

const encodeForm = (text: string): string => encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+');

function sendObject({ request, response, key }: Call, bucket: Bucket): void {
  const { bytes, etag, modified, metadata } = bucket.get(key);
  const headers = {
    etag: `"${etag}"`,
    'last-modified': modified.toUTCString(),
    'x-oss-object-type': 'Normal',
    'accept-ranges': 'bytes',
    ...metadata,
  };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const first = Number(range?.[1] ?? 0);
  const last = Math.min(bytes.length - 1, range?.[2] ? Number(range[2]) : bytes.length - 1);
  const satisfiable = range !== null && first < bytes.length && first <= last;
  if (range !== null && !satisfiable && request.headers['x-oss-range-behavior'] === 'standard') {
    response.setHeader('content-range', `bytes */${bytes.length}`);
    throw new Refused(416, 'InvalidRange', 'The requested range cannot be satisfied.');
  }
  const part = satisfiable ? bytes.subarray(first, last + 1) : bytes;
  const shown = satisfiable ? { 'content-range': `bytes ${first}-${last}/${bytes.length}` } : {};
  response.writeHead(satisfiable ? 206 : 200, {
    ...headers,
    ...shown,
    'content-type': 'application/octet-stream',
    'content-length': part.length,
  });
  response.end(request.method === 'GET' ? part : undefined);
}

const forbidsOverwrite = ({ request }: Call): boolean => request.headers['x-oss-forbid-overwrite'] === 'true';

function metadataOf({ request }: Call): Record<string, string> {
  const entries = Object.entries(request.headers).filter(([name]) => name.startsWith('x-oss-meta-'));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

function putObject(call: Call, bucket: Bucket): void {
  const { etag } = bucket.put(call.key, call.body, metadataOf(call), forbidsOverwrite(call));
  end(call, 200, { etag: `"${etag}"` });
}

const uploadOf = ({ query }: Call): string => query.get('uploadId') ?? '';

function putPart(call: Call, bucket: Bucket): void {
  end(call, 200, { etag: `"${bucket.putPart(call.key, uploadOf(call), Number(call.query.get('partNumber')), call.body)}"` });
}

function beginUpload(call: Call, bucket: Bucket): void {
  const id = bucket.beginUpload(call.key, metadataOf(call), forbidsOverwrite(call));
  const { key } = call;
  xml(
    call,
    `<InitiateMultipartUploadResult><Bucket>${bucket.name}</Bucket><Key>${escapeText(key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
  );
}

function completeUpload(call: Call, bucket: Bucket): void {
  const named = [...call.body.toString('utf8').matchAll(/<PartNumber>(\d+)<\/PartNumber>\s*<ETag>(.*?)<\/ETag>/g)];
  const parts = named.map(([, number, etag = '']) => [Number(number), plainText(etag).replaceAll('"', '')] as const);
  const { etag } = bucket.completeUpload(call.key, uploadOf(call), parts, forbidsOverwrite(call));
  const { key } = call;
  xml(
    call,
    `<CompleteMultipartUploadResult><Bucket>${bucket.name}</Bucket><Key>${escapeText(key)}</Key><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`,
  );
}

/** What cannot be deleted is left out of the answer without a word, as OSS does. */
function deleteSeveral(call: Call, bucket: Bucket): void {
  const { request, body, query } = call;
  if (request.headers['content-md5'] === undefined)
    throw new Refused(400, 'MissingArgument', 'Missing Some Required Arguments: Content-MD5.');
  const keys = [...body.toString('utf8').matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => plainText(key));
  if (keys.length > 1000) throw new Refused(400, 'MalformedXML', 'The XML you provided was not well-formed.');
  const deleted = keys.filter((key) => {
    try {
      bucket.delete(key);
      return true;
    } catch {
      return false;
    }
  });
  const encode = query.get('encoding-type') === 'url' ? encodeForm : (text: string) => text;
  const items = deleted.map((key) => `<Deleted><Key>${escapeText(encode(key))}</Key></Deleted>`);
  xml(call, `<DeleteResult>${query.has('encoding-type') ? '<EncodingType>url</EncodingType>' : ''}${items.join('')}</DeleteResult>`);
}

function xml(call: Call, document: string): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n${document}`;
  call.response.writeHead(200, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text) }).end(text);
}

function end({ response }: Call, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'content-length': '0' }) }).end();
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const known = error instanceof Refused ? error : new Refused(500, 'InternalError', String(error));
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const id = response.getHeader('x-oss-request-id');
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${known.code}</Code><Message>${escapeText(known.message)}</Message><RequestId>${id}</RequestId><HostId>127.0.0.1</HostId></Error>`;
  if (request.method === 'HEAD') response.setHeader('x-oss-err', Buffer.from(text).toString('base64'));
  response.writeHead(known.status, {
    'content-type': 'application/xml',
    'content-length': request.method === 'HEAD' ? 0 : Buffer.byteLength(text),
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const plainText = (text: string): string =>
  text
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
