import { Client, type ClientCapabilities, type ElicitResult, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as OldSSETransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { Secret } from '../../src/base/secret.ts';
import type { ConfirmAnswer } from '../../src/control/verb.ts';
import { startMCPHTTP } from '../../src/mcp/http.ts';
import { fakeControl, type Handler } from './support/fake-control.ts';
import { modernRequest, send } from './support/raw-http.ts';
import { SAMPLES } from './support/samples.ts';
import { door, mcpSettings } from './support/settings.ts';

const TOKEN = 'lsm_may-restore-token';
const AUTH = { authorization: `Bearer ${TOKEN}` };
const MESSAGE = 'Restore app as of 2026-03-01T11:59:58.412Z into /srv/app/restored/app.db?';
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A restore that asks, as control's does, and remembers what it was told. */
function askingRestore(): { readonly handler: Handler; readonly answers: (ConfirmAnswer | 'nobody to ask')[]; done: number } {
  const state = { answers: [] as (ConfirmAnswer | 'nobody to ask')[], done: 0 };
  const handler: Handler = async (input, { confirm }) => {
    if (input.plan_id === undefined) return SAMPLES.restore_plan;
    const answer = await confirm?.({ planId: String(input.plan_id), message: MESSAGE, action: 'restore' });
    state.answers.push(answer ?? 'nobody to ask');
    if (answer === 'declined') throw new LitestreamError('CONFIRMATION_DECLINED', 'The person said no.');
    if (answer === 'dismissed') return { as_of: SAMPLES.restore.as_of, mode: 'nothing_to_do', reason: 'the question was dismissed' };
    state.done += 1;
    return { as_of: SAMPLES.restore.as_of, mode: 'done' };
  };
  return Object.assign(state, { handler });
}

async function start(handler: Handler): Promise<string> {
  const settings = mcpSettings({ readOnly: false, token: new Secret(TOKEN), tokenScopes: ['read', 'restore'] });
  const listener = await startMCPHTTP(settings, fakeControl({ handlers: { restore: handler } }), door);
  closers.push(() => listener.close());
  return `${listener.address}/mcp`;
}

async function connect(
  address: string,
  mode: 'legacy' | 'auto',
  person: (message: string) => ElicitResult,
  elicits = true,
): Promise<Client> {
  const capabilities: ClientCapabilities = elicits ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode }, capabilities });
  if (elicits) client.setRequestHandler('elicitation/create', ({ params }) => person(params.message));
  await client.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers: AUTH } }));
  closers.push(() => client.close());
  return client;
}

const execute = (client: Client) => client.callTool({ name: 'litestream_restore', arguments: { plan_id: 'rp_1' } });
const codeOf = (answer: { content?: unknown }) => JSON.parse((answer.content as { text: string }[])[0]?.text ?? '{}').error?.code;

for (const mode of ['legacy', 'auto'] as const) {
  describe(`a restore, ${mode === 'auto' ? 'current' : 'older'} revision`, () => {
    test('asks the person in the words of the plan and goes on after yes', async () => {
      const restore = askingRestore();
      const asked: string[] = [];
      const client = await connect(await start(restore.handler), mode, (message) => {
        asked.push(message);
        return { action: 'accept', content: { decision: 'restore' } };
      });
      const answer = await execute(client);
      expect(answer.structuredContent).toMatchObject({ mode: 'done' });
      expect(asked).toEqual([MESSAGE]);
      expect(restore.done).toBe(1);
    });
    for (const [what, reply] of [
      ['a decline', { action: 'decline' }],
      ['choosing cancel in the form', { action: 'accept', content: { decision: 'cancel' } }],
    ] as const) {
      test(`is refused after ${what}`, async () => {
        const restore = askingRestore();
        const client = await connect(await start(restore.handler), mode, () => reply as ElicitResult);
        expect(codeOf(await execute(client))).toBe('CONFIRMATION_DECLINED');
        expect(restore.done).toBe(0);
      });
    }
    test('does nothing when the person dismisses the question', async () => {
      const restore = askingRestore();
      const client = await connect(await start(restore.handler), mode, () => ({ action: 'cancel' }));
      expect((await execute(client)).structuredContent).toMatchObject({ mode: 'nothing_to_do' });
      expect(restore.done).toBe(0);
    });
    test('tells the verb that nobody can be asked where the client cannot', async () => {
      const restore = askingRestore();
      const client = await connect(await start(restore.handler), mode, () => ({ action: 'cancel' }), false);
      await execute(client);
      expect(restore.answers).toEqual(['nobody to ask']);
    });
    test('asks nobody for a plan', async () => {
      const restore = askingRestore();
      const client = await connect(await start(restore.handler), mode, () => {
        throw new Error('asked');
      });
      expect((await client.callTool({ name: 'litestream_restore', arguments: { path: 'app' } })).structuredContent).toMatchObject({
        mode: 'plan',
      });
    });
  });
}

test('the oldest clients are asked over SSE', async () => {
  const restore = askingRestore();
  const address = await start(restore.handler);
  const client = new OldClient({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept' as const, content: { decision: 'restore' } }));
  await client.connect(new OldSSETransport(new URL(address.replace(/mcp$/, 'sse')), { requestInit: { headers: AUTH } }));
  closers.push(() => client.close());
  const answer = await client.callTool({ name: 'litestream_restore', arguments: { plan_id: 'rp_1' } });
  expect(answer.structuredContent).toMatchObject({ mode: 'done' });
});

describe('an answer', () => {
  const ask = (address: string, plan: string, extra: object = {}) => {
    const request = modernRequest('tools/call', { name: 'litestream_restore', arguments: { plan_id: plan }, ...extra });
    const body = request.body.replace(
      '"io.modelcontextprotocol/clientCapabilities":{}',
      '"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}',
    );
    return send(address, { body, headers: { ...request.headers, ...AUTH } });
  };
  const yes = { confirm: { action: 'accept', content: { decision: 'restore' } } };

  test('without the state of the question is no answer: the person is asked', async () => {
    const restore = askingRestore();
    const { result } = JSON.parse((await ask(await start(restore.handler), 'rp_1', { inputResponses: yes })).text);
    expect(result.resultType).toBe('input_required');
    expect(restore.done).toBe(0);
  });
  test('to one plan does not confirm another', async () => {
    const restore = askingRestore();
    const address = await start(restore.handler);
    const first = JSON.parse((await ask(address, 'rp_1')).text).result;
    const { result } = JSON.parse((await ask(address, 'rp_2', { inputResponses: yes, requestState: first.requestState })).text);
    expect(result.resultType).toBe('input_required');
    expect(restore.done).toBe(0);
  });
  test('with a state that was tampered with is refused', async () => {
    const restore = askingRestore();
    const address = await start(restore.handler);
    const { requestState } = JSON.parse((await ask(address, 'rp_1')).text).result;
    const forged = `${requestState.slice(0, -2)}${requestState.endsWith('AA') ? 'BB' : 'AA'}`;
    const answer = JSON.parse((await ask(address, 'rp_1', { inputResponses: yes, requestState: forged })).text);
    expect(answer.error.code).toBe(-32_602);
    expect(restore.done).toBe(0);
  });
});
