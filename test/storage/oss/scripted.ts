/** A server that answers as a test says, on loopback. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OSSStore } from '../../../src/storage/oss/oss.ts';
import type { OSSStoreSpec } from '../../../src/storage/spec.ts';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly #server: Server;
  readonly #stores: OSSStore[] = [];
  /** How the next requests are answered. */
  script: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void = (_, response) => response.destroy();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.script(request, response, Buffer.concat(chunks)));
      request.on('error', () => {});
    });
  }

  static async start(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    // Idle connections stay, however long a test takes between two requests.
    scripted.#server.keepAliveTimeout = 600_000;
    await once(scripted.#server.listen(0, '127.0.0.1'), 'listening');
    return scripted;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  store(spec: Partial<OSSStoreSpec> = {}): OSSStore {
    const credentials = { accessKeyID: 'LTAItestaccesskey', accessKeySecret: 'a-secret-of-tests' };
    const store = new OSSStore({ type: 'oss', bucket: 'backups', path: '', endpoint: this.endpoint, credentials, ...spec });
    this.#stores.push(store);
    return store;
  }

  /** Answers everything so, as OSS does unless the headers say otherwise. */
  answer(status: number, body: string, headers: Record<string, string | undefined> = {}): void {
    const all = { 'x-oss-request-id': 'REQUEST-1', 'content-type': 'application/xml', ...headers };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    this.script = (request, response) =>
      response.writeHead(status, Object.fromEntries(given)).end(request.method === 'HEAD' ? undefined : body);
  }

  refuse(status: number, code: string, headers: Record<string, string> = {}, more = ''): void {
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>because</Message><RequestId>REQUEST-1</RequestId>${more}</Error>`;
    this.answer(status, body, { 'x-oss-err': Buffer.from(body).toString('base64'), ...headers });
  }

  async stop(): Promise<void> {
    for (const store of this.#stores) await store.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
