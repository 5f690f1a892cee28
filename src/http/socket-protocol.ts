/** What crosses the private socket: one request per call, answered by lines of JSON. */

import { z } from 'zod';
import type { ErrorData } from '../base/errors.ts';
import { SCOPES } from '../control/caller.ts';
import type { Progress } from '../control/progress.ts';
import type { ConfirmAnswer, ConfirmQuestion } from '../control/verb.ts';

/** Verbs are below it: `/v1/status`. */
export const CALL_PREFIX = '/v1/call/';
/** Where a person's answer goes: `/v1/answer/ID`. */
export const ANSWER_PREFIX = '/v1/answer/';
export const PING_PATH = '/v1/ping';
export const LINES = 'application/x-ndjson';

/** Bytes of a request. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Who the client says it is; the server decides what of that holds. */
const callerClaim = z.strictObject({
  door: z.enum(['cli', 'socket', 'mcp-http', 'mcp-stdio', 'library']),
  principal: z.string().max(200),
  scopes: z.array(z.enum(SCOPES)).max(SCOPES.length),
  readOnly: z.boolean(),
  operator: z.boolean(),
  databases: z.array(z.string().max(1024)).max(1000).optional(),
});

export const callRequest = z.strictObject({
  input: z.record(z.string(), z.unknown()),
  caller: callerClaim,
  /** LITESTREAM_MCP_TOKEN of a stdio server. */
  token: z.string().max(512).optional(),
  /** The client can put questions to a person. */
  confirms: z.boolean(),
  session: z.strictObject({ protocol: z.string().max(64).optional(), toolsets: z.array(z.string().max(64)).max(32).optional() }).optional(),
});

export const answerRequest = z.strictObject({ answer: z.enum(['accepted', 'declined', 'dismissed', 'unavailable']) });

export type CallerClaim = z.output<typeof callerClaim>;
export type CallRequest = z.input<typeof callRequest>;
export type AnswerRequest = { readonly answer: ConfirmAnswer };

/** One line of an answer. The last one is `result` or `error`. */
export type ServerLine =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'ask'; readonly id: string; readonly question: ConfirmQuestion }
  | { readonly type: 'result'; readonly value: unknown }
  | { readonly type: 'error'; readonly error: ErrorData };

export interface Ping {
  readonly version: string;
  readonly pid: number;
  /** Metadata directories of its databases, those that are only waited for included. */
  readonly directories: readonly string[];
}
