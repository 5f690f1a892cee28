/** A scripted Cloud Storage service, and the answers it gives. */

import type { ServerResponse } from 'node:http';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import type { GCSStoreSpec } from '../../../src/storage/spec.ts';
import { type Script, ScriptedHTTP } from '../../support/scripted-http.ts';

export interface ScriptedGCS {
  readonly server: ScriptedHTTP;
  readonly store: GCSStore;
  close(): Promise<void>;
}

export async function scriptedGCS(script: Script, more: Partial<GCSStoreSpec> = {}): Promise<ScriptedGCS> {
  const server = await ScriptedHTTP.start(script);
  const store = new GCSStore({ type: 'gs', bucket: 'box', path: '', endpoint: server.url, ...more });
  const close = async () => {
    await store.close();
    await server.close();
  };
  return { server, store, close };
}

/** Headers that every answer of the service has. */
export const MARKS = { 'x-guploader-uploadid': 'upload-7' };

export function json(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...MARKS, 'content-type': 'application/json; charset=UTF-8', ...headers }).end(JSON.stringify(value));
}

export function fail(
  response: ServerResponse,
  status: number,
  reason: string,
  { message = `because of ${reason}`, headers = {} }: { message?: string; headers?: Record<string, string> } = {},
): void {
  json(response, status, { error: { code: status, message, errors: [{ domain: 'global', reason, message }] } }, headers);
}

export interface GivenObject {
  readonly name: string;
  readonly size?: number;
  readonly generation?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const object = ({ name, size = 3, generation = 7, metadata }: GivenObject): object => ({
  kind: 'storage#object',
  name,
  size: String(size),
  generation: String(generation),
  timeCreated: '2025-07-01T10:00:00.000Z',
  ...(metadata === undefined ? {} : { metadata }),
});

export const listing = (objects: readonly GivenObject[], nextPageToken?: string): object => ({
  kind: 'storage#objects',
  ...(objects.length === 0 ? {} : { items: objects.map(object) }),
  ...(nextPageToken === undefined ? {} : { nextPageToken }),
});

/** The head of a download. */
export function mediaHead(response: ServerResponse, size: number, more: Record<string, string> = {}, status = 200): void {
  const head = { ...MARKS, 'x-goog-generation': '7', 'content-type': 'application/octet-stream', 'content-length': String(size) };
  response.writeHead(status, { ...head, ...more });
}

export const isList = (url: string): boolean => /\/o\?/.test(url) && !url.startsWith('/upload');
