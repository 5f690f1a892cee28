/** The tools and the prompt of the conformance suite that ask the client for something before they answer. */

import {
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { answer } from './fixture-contents.ts';

export interface Round {
  readonly round: number;
}

type Property = Readonly<Record<string, unknown>>;

function form(message: string, properties: Readonly<Record<string, Property>>, required: readonly string[] = []) {
  const requestedSchema = { type: 'object' as const, properties, ...(required.length > 0 ? { required: [...required] } : {}) };
  return inputRequired.elicit({ message, requestedSchema: requestedSchema as never });
}

const sampling = (text: string, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens });

const nameForm = (message = 'What is your name?') => form(message, { name: { type: 'string' } }, ['name']);

const has = (ctx: ServerContext, key: string): boolean => inputResponse(ctx.mcpReq.inputResponses, key).kind !== 'missing';

const shown = (ctx: ServerContext, key: string): string => JSON.stringify(inputResponse(ctx.mcpReq.inputResponses, key));

export function addAskingTools(server: McpServer, codec: RequestStateCodec<Round>): void {
  const ask = (name: string, run: (ctx: ServerContext) => Promise<object> | object) =>
    server.registerTool(name, { description: 'Fixture that asks', inputSchema: z.object({}) }, async (_, ctx) => (await run(ctx)) as never);
  const once = (name: string, key: string, request: () => object) =>
    ask(name, (ctx) =>
      has(ctx, key) ? answer(`Got ${shown(ctx, key)}`) : inputRequired({ inputRequests: { [key]: request() as never } }),
    );

  once('test_input_required_result_elicitation', 'user_name', nameForm);
  once('test_input_required_result_sampling', 'capital_question', () => sampling('What is the capital of France?'));
  once('test_input_required_result_list_roots', 'client_roots', () => inputRequired.listRoots());
  once('test_streaming_elicitation', 'user_name', nameForm);
  addStatefulTools(ask, codec);
  ask('test_input_required_result_capabilities', (ctx) => capabilityTool(ctx));
  // Asks whatever the client declared: the SDK refuses what was not.
  once('test_missing_capability', 'sample', () => sampling('Hello'));
}

function addStatefulTools(
  ask: (name: string, run: (ctx: ServerContext) => Promise<object> | object) => unknown,
  codec: RequestStateCodec<Round>,
): void {
  const confirm = () => form('Please confirm', { ok: { type: 'boolean' } }, ['ok']);
  const state = (ctx: ServerContext, round: number) => codec.mint({ round }, ctx);
  for (const name of ['test_input_required_result_request_state', 'test_input_required_result_tampered_state']) {
    ask(name, async (ctx) =>
      has(ctx, 'confirm') && ctx.mcpReq.requestState<Round>()?.round === 1
        ? answer('state-ok')
        : inputRequired({ inputRequests: { confirm: confirm() }, requestState: await state(ctx, 1) }),
    );
  }
  ask('test_input_required_result_multiple_inputs', async (ctx) => {
    if (['user_name', 'greeting', 'client_roots'].every((key) => has(ctx, key))) return answer('All three came.');
    const inputRequests = { user_name: nameForm(), greeting: sampling('Generate a greeting', 50), client_roots: inputRequired.listRoots() };
    return inputRequired({ inputRequests, requestState: await state(ctx, 1) });
  });
  ask('test_input_required_result_multi_round', async (ctx) => {
    const round = ctx.mcpReq.requestState<Round>()?.round ?? 0;
    if (round === 2 && has(ctx, 'step2')) return answer('Two steps done.');
    if (round === 1 && has(ctx, 'step1')) {
      const step2 = form('Step 2: What is your favorite color?', { color: { type: 'string' } }, ['color']);
      return inputRequired({ inputRequests: { step2 }, requestState: await state(ctx, 2) });
    }
    return inputRequired({ inputRequests: { step1: nameForm('Step 1: What is your name?') }, requestState: await state(ctx, 1) });
  });
}

const capabilitiesOf = (ctx: ServerContext) =>
  ((ctx.mcpReq.envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] ?? {}) as Record<string, unknown>;

function capabilityTool(ctx: ServerContext): object {
  const { sampling: canSample, elicitation } = capabilitiesOf(ctx);
  if (has(ctx, 'sample') || has(ctx, 'name')) return answer('ok');
  const inputRequests = {
    ...(canSample === undefined ? {} : { sample: sampling('Hello') }),
    ...(elicitation === undefined ? {} : { name: nameForm() }),
  };
  return inputRequired({ inputRequests });
}

/** The same for the older revisions, which the SDK asks by requests of its own. */
export function addElicitingTools(server: McpServer): void {
  const tool = (name: string, argument: string, request: (text: string) => object, finish: (ctx: ServerContext) => string) =>
    server.registerTool(
      name,
      { description: 'Fixture that asks', inputSchema: z.object({ [argument]: z.string().optional() }) },
      (args, ctx) =>
        has(ctx, 'it')
          ? answer(finish(ctx))
          : (inputRequired({ inputRequests: { it: request(String(args[argument])) as never } }) as InputRequiredResult),
    );
  tool(
    'test_sampling',
    'prompt',
    (prompt) => sampling(prompt),
    (ctx) => `LLM response: ${shown(ctx, 'it')}`,
  );
  const person = {
    username: { type: 'string', description: "User's response" },
    email: { type: 'string', description: "User's email address" },
  };
  tool(
    'test_elicitation',
    'message',
    (message) => form(message, person, ['username', 'email']),
    (ctx) => `User response: ${shown(ctx, 'it')}`,
  );
  const completed = (ctx: ServerContext) => {
    const reply = inputResponse(ctx.mcpReq.inputResponses, 'it');
    return reply.kind === 'elicit'
      ? `Elicitation completed: action=${reply.action}, content=${JSON.stringify(reply.content ?? {})}`
      : 'Nothing came.';
  };
  tool('test_elicitation_sep1034_defaults', 'unused', () => form('Please review', DEFAULTS), completed);
  tool('test_elicitation_sep1330_enums', 'unused', () => form('Please choose', ENUMS), completed);
}

const DEFAULTS: Readonly<Record<string, Property>> = {
  name: { type: 'string', default: 'John Doe' },
  age: { type: 'integer', default: 30 },
  score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', default: true },
};

const titled = (noun: string) => ['First', 'Second', 'Third'].map((word, n) => ({ const: `value${n + 1}`, title: `${word} ${noun}` }));
const ENUMS: Readonly<Record<string, Property>> = {
  untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
  titledSingle: { type: 'string', oneOf: titled('Option') },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
  titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
};

export function addAskingPrompt(server: McpServer): void {
  server.registerPrompt('test_input_required_result_prompt', { description: 'Fixture that asks' }, (ctx) => {
    if (!has(ctx, 'user_context')) {
      const user_context = form('What context should the prompt use?', { context: { type: 'string' } }, ['context']);
      return inputRequired({ inputRequests: { user_context } });
    }
    return { messages: [{ role: 'user', content: { type: 'text', text: `Context: ${shown(ctx, 'user_context')}` } }] };
  });
}
