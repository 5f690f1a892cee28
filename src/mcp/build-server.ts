/** Makes the protocol server of one caller from the tool cards: with the transports, the only room of the SDK's server. */

import { randomBytes } from 'node:crypto';
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  McpServer,
  PROTOCOL_VERSION_META_KEY,
  type RequestStateCodec,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import type { Caller } from '../control/caller.ts';
import type { Progress } from '../control/progress.ts';
import type { ConfirmAnswer, ConfirmQuestion } from '../control/verb.ts';
import { type CallFacts, type CallOutcome, type CallServices, callTool } from './call.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import type { ToolCard } from './card.ts';
import { ERROR_META_KEY } from './errors.ts';
import { instructionsFor } from './instructions.ts';
import { ProgressPacer } from './progress.ts';
import { CARDS, definitionOf, hintsFor, schemasOf, visibleCards } from './registry.ts';
import type { JSONSchema } from './schemas.ts';
import type { ServerFor } from './server-for.ts';

export interface ServerFactoryOptions {
  readonly services: CallServices;
  readonly version: string;
  /** Aborts every call in flight, with the reason given, when the door closes. */
  readonly calls: CallsInFlight;
}

/** A person who is asked has this long. */
const PERSON_MS = 300_000;
const LIST_TTL_MS = 60_000;

/** What a question's round trip carries: which plan it was about, and who asked. Sealed, so that an answer cannot be moved to another plan. */
interface AskState {
  readonly planId: string;
  readonly principal: string;
}

/** Returns the function that makes one server per request or connection. */
export function createServerFactory(options: ServerFactoryOptions): (target: ServerFor) => McpServer {
  const codec = createRequestStateCodec<AskState>({ key: randomBytes(32), ttlSeconds: PERSON_MS / 1_000 + 60 });
  return (target) => buildServer(options, codec, target);
}

function buildServer({ services, version, calls }: ServerFactoryOptions, codec: RequestStateCodec<AskState>, target: ServerFor): McpServer {
  const { caller } = target;
  const server = new McpServer(
    { name: 'litestream-mcp', title: 'Litestream', version },
    {
      instructions: instructionsFor(caller, services.control.attached),
      // Level setting is what clients of the old revisions expect; nothing but warnings about their own calls is sent.
      capabilities: { tools: { listChanged: true }, logging: {} },
      cacheHints: {
        'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
        'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'private' },
      },
      inputRequired: { maxRounds: 2, roundTimeoutMs: PERSON_MS },
      requestState: { verify: codec.verify },
    },
  );
  for (const card of CARDS) {
    const { input, output } = schemasOf(card);
    server.registerTool(
      card.name,
      {
        title: card.title,
        description: card.description,
        inputSchema: advertised(input),
        outputSchema: advertised(output),
        annotations: hintsFor(card, caller),
      },
      async (args, ctx) => answerCall({ services, calls, codec, server, target, card, args, ctx }),
    );
  }
  // All are registered, so that a call out of reach is refused with a reason; only those in reach are listed.
  server.server.setRequestHandler('tools/list', () => ({ tools: visibleCards(caller).map((card) => definitionOf(card, caller) as never) }));
  return server;
}

interface Call {
  readonly services: CallServices;
  readonly calls: CallsInFlight;
  readonly codec: RequestStateCodec<AskState>;
  readonly server: McpServer;
  readonly target: ServerFor;
  readonly card: ToolCard;
  readonly args: unknown;
  readonly ctx: ServerContext;
}

async function answerCall(call: Call): Promise<CallToolResult | InputRequiredResult> {
  const { services, calls, card, args, ctx } = call;
  const { signal, done } = calls.begin(ctx.mcpReq.signal);
  const pacer = pacerOf(ctx);
  try {
    const facts = {
      ...factsOf(call, signal),
      ...(pacer === undefined ? {} : { progress: (progress: Progress) => pacer.report(progress) }),
    };
    return await resultOf(call, facts.caller, await callTool(services, card, args, facts));
  } finally {
    pacer?.stop();
    done();
  }
}

/** The caller of this very request: on a connection that lasts, rights may have shrunk since it began. */
function callerOf({ ctx, target }: Call): Caller {
  const caller = ctx.http?.authInfo?.extra?.caller as Caller | undefined;
  return caller ?? target.caller;
}

function factsOf(call: Call, signal: AbortSignal): CallFacts {
  const { ctx, server, target } = call;
  const envelope = envelopeOf(ctx);
  const client = (envelope[CLIENT_INFO_META_KEY] as { name?: string } | undefined)?.name ?? server.server.getClientVersion()?.name;
  const protocol = (envelope[PROTOCOL_VERSION_META_KEY] as string | undefined) ?? server.server.getNegotiatedProtocolVersion();
  const caller = callerOf(call);
  return {
    caller,
    transport: target.transport,
    era: target.era,
    ...(client === undefined ? {} : { client }),
    ...(protocol === undefined ? {} : { protocol }),
    signal,
    goesOn: ctx.mcpReq.requestState<AskState>()?.principal === caller.principal,
    ...(canAskAPerson(call) ? { personAnswer: (question: ConfirmQuestion) => personAnswer(ctx, caller, question) } : {}),
  };
}

const envelopeOf = (ctx: ServerContext): Readonly<Record<string, unknown>> => ctx.mcpReq.envelope ?? {};

function canAskAPerson({ ctx, server }: Call): boolean {
  const declared = (envelopeOf(ctx)[CLIENT_CAPABILITIES_META_KEY] ?? server.server.getClientCapabilities()) as
    | { elicitation?: { form?: unknown; url?: unknown } }
    | undefined;
  const elicitation = declared?.elicitation;
  // Before forms and URLs were told apart, an empty declaration meant forms.
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}

const QUESTION_KEY = 'confirm';

/** The answer that this round of the call carries, if it was given to this question. */
function personAnswer(ctx: ServerContext, caller: Caller, question: ConfirmQuestion): ConfirmAnswer | 'ask' {
  const state = ctx.mcpReq.requestState<AskState>();
  if (state?.planId !== question.planId || state.principal !== caller.principal) return 'ask';
  const response = inputResponse(ctx.mcpReq.inputResponses, QUESTION_KEY);
  if (response.kind !== 'elicit') return 'ask';
  if (response.action === 'cancel') return 'dismissed';
  return response.action === 'accept' && response.content?.decision === question.action ? 'accepted' : 'declined';
}

async function resultOf({ codec, ctx, target }: Call, caller: Caller, outcome: CallOutcome): Promise<CallToolResult | InputRequiredResult> {
  switch (outcome.kind) {
    case 'ask':
      return inputRequired({
        inputRequests: { [QUESTION_KEY]: formFor(outcome.question) },
        requestState: await codec.mint({ planId: outcome.question.planId, principal: caller.principal }, ctx),
      });
    case 'error':
      // Old clients check structured content against the output schema even on errors: none is attached.
      return {
        isError: true,
        content: [{ type: 'text', text: JSON.stringify({ error: outcome.error }) }],
        _meta: { [ERROR_META_KEY]: outcome.error },
      };
    case 'answer': {
      const { value, text } = outcome.answer;
      if (target.era === 'legacy') await forwardWarnings(ctx, value.warnings);
      return { content: [{ type: 'text', text }], structuredContent: value };
    }
  }
}

function formFor({ message, action }: ConfirmQuestion) {
  const decision = { type: 'string' as const, title: 'Decision', enum: [action, 'cancel'] };
  return inputRequired.elicit({ message, requestedSchema: { type: 'object', properties: { decision }, required: ['decision'] } });
}

async function forwardWarnings(ctx: ServerContext, warnings: unknown): Promise<void> {
  if (!Array.isArray(warnings)) return;
  for (const warning of warnings) await ctx.mcpReq.log('warning', warning, 'litestream').catch(() => {});
}

function pacerOf(ctx: ServerContext): ProgressPacer | undefined {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return new ProgressPacer((notice) => {
    ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, ...notice } }).catch(() => {});
  });
}

/** A schema that is shown but does not judge: arguments are judged by the verb, so that the model gets our own error. */
function advertised(schema: JSONSchema): StandardSchemaWithJSON<unknown, unknown> {
  return {
    '~standard': {
      version: 1,
      vendor: 'litestream',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: () => ({ ...schema }), output: () => ({ ...schema }) },
    },
  };
}
