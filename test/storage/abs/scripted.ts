/** A scripted Azure service, and the answers it gives. */

import type { ServerResponse } from 'node:http';
import { AzureStore } from '../../../src/storage/abs/abs.ts';
import type { AzureStoreSpec } from '../../../src/storage/spec.ts';
import { type Script, ScriptedHTTP } from '../../support/scripted-http.ts';

/** base64, as account keys are; never to be seen in a message. */
export const ACCOUNT_KEY = Buffer.from('a secret key of the test account').toString('base64');

export interface ScriptedAzure {
  readonly server: ScriptedHTTP;
  readonly store: AzureStore;
  close(): Promise<void>;
}

export async function scriptedAzure(script: Script, more: Partial<AzureStoreSpec> = {}): Promise<ScriptedAzure> {
  const server = await ScriptedHTTP.start(script);
  const store = new AzureStore({
    type: 'abs',
    bucket: 'box',
    path: '',
    endpoint: `${server.url}/account`,
    accountName: 'account',
    credentials: { accountKey: ACCOUNT_KEY },
    ...more,
  });
  const close = async () => {
    await store.close();
    await server.close();
  };
  return { server, store, close };
}

const XML = '<?xml version="1.0" encoding="utf-8"?>';

/** Headers that every answer of the service has. */
export const MARKS = { 'x-ms-request-id': 'request-7', 'x-ms-version': '2026-02-06' };

export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  { text = code, headers = {} }: { text?: string; headers?: Record<string, string> } = {},
): void {
  response.writeHead(status, { ...MARKS, 'x-ms-error-code': code, 'content-type': 'application/xml', ...headers });
  response.end(`${XML}<Error><Code>${code}</Code><Message>${text}</Message></Error>`);
}

export interface ListedBlob {
  readonly name: string;
  readonly size?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function listing(blobs: readonly ListedBlob[], next = ''): string {
  const items = blobs.map(({ name, size = 3, metadata = {} }) => {
    const meta = Object.entries(metadata).map(([key, value]) => `<${key}>${value}</${key}>`);
    const properties = `<Creation-Time>Tue, 01 Jul 2025 10:00:00 GMT</Creation-Time><Last-Modified>Tue, 01 Jul 2025 11:00:00 GMT</Last-Modified><Etag>0x1</Etag><Content-Length>${size}</Content-Length><BlobType>BlockBlob</BlobType>`;
    return `<Blob><Name>${name}</Name><Properties>${properties}</Properties><Metadata>${meta.join('')}</Metadata></Blob>`;
  });
  return `${XML}<EnumerationResults ServiceEndpoint="http://127.0.0.1/account/" ContainerName="box"><Blobs>${items.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
}

export function list(response: ServerResponse, text: string): void {
  response.writeHead(200, { ...MARKS, 'content-type': 'application/xml' }).end(text);
}

/** The head of a download. */
export function blobHead(response: ServerResponse, size: number, more: Record<string, string> = {}, status = 200): void {
  const head = {
    ...MARKS,
    etag: '"0x1"',
    'x-ms-blob-type': 'BlockBlob',
    'content-type': 'application/octet-stream',
    'content-length': String(size),
  };
  response.writeHead(status, { ...head, 'last-modified': 'Tue, 01 Jul 2025 11:00:00 GMT', ...more });
}

export function created(response: ServerResponse, headers: Record<string, string> = {}): void {
  response.writeHead(201, { ...MARKS, etag: '"0x2"', 'last-modified': 'Tue, 01 Jul 2025 11:00:00 GMT', ...headers }).end();
}
