/** Plain HTTP requests with exactly the headers given: clients would correct what these tests are about. */

import { request } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
}

/** Sends one request and reads the whole answer, or its beginning where `untilText` appears (streams). */
export function send(
  address: string,
  { method = 'POST', path = '/mcp', headers = {}, body }: RawRequest,
  untilText?: string,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(address);
  const all = {
    host: `localhost:${port}`,
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const given = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return new Promise((resolve, reject) => {
    const req = request({ host: hostname.replace(/^\[|\]$/g, ''), port, method, path, headers: given, agent: false, setHost: false });
    req.on('error', reject);
    req.on('response', (res) => {
      let text = '';
      const finish = () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text });
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
        if (untilText !== undefined && text.includes(untilText)) {
          finish();
          req.destroy();
        }
      });
      res.on('end', finish);
      res.on('close', finish);
    });
    if (body !== undefined) req.write(body);
    req.end();
  });
}

export const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' } as const;

export const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
});

/** A request of the current revision, complete in itself. */
export function modernRequest(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
): { body: string; headers: Record<string, string> } {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const name = typeof params.name === 'string' ? { 'mcp-name': params.name } : {};
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
    headers: { ...JSON_HEADERS, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...name },
  };
}
