/** The short JSON bodies of refusals, in the shape of a protocol error so that every client can read them. */

import type { FastifyReply } from 'fastify';

export const CODES = { parse: -32_700, invalidRequest: -32_600, refused: -32_000, noConnection: -32_001 } as const;

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly code?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export function refuse(reply: FastifyReply, { status, message, code = CODES.refused, headers = {} }: Refusal): FastifyReply {
  return reply
    .code(status)
    .headers({ ...headers, 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
    .send(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}
