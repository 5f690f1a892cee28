import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type ElicitResult, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/fake-clock.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { prepare, type RunningDaemon, startDaemon } from './support/daemon.ts';

/** Through the whole product: client, door, control, engine, files. */

let directory: TempDirectory;
let daemon: RunningDaemon;
/** One caller per test: five executions a minute are the limit of each. */
const CALLERS = ['ann', 'bob', 'cid', 'dan', 'fay', 'gus', 'hal', 'ida'];
const clients = new Map<string, Client>();

const digest = (name: string) => createHash('sha256').update(`token-of-${name}`).digest('hex');
const entry = (name: string, scopes: string) => `- { name: ${name}, sha256: ${digest(name)}, scopes: [${scopes}] }`;

beforeAll(async () => {
  directory = await tempDirectory();
  const tokens = join(directory.path, 'tokens.yml');
  const entries = [...CALLERS.map((name) => entry(name, 'read, restore')), entry('eve', 'read')];
  await writeFile(tokens, `${entries.join('\n')}\n`, { mode: 0o600 });
  daemon = await startDaemon(await prepare(directory.path, ['read-only: false', `token-file: ${tokens}`]));
  for (const name of [...CALLERS, 'eve']) clients.set(name, await connect(name));
  await until(() => existsSync(join(directory.path, 'backup/ltx/0')), 'the first upload', 80_000);
  await expectPoint();
}, 150_000);

afterAll(async () => {
  for (const client of clients.values()) await client.close();
  await daemon.stop();
  await directory.remove();
});

async function connect(name: string, person?: () => ElicitResult): Promise<Client> {
  const capabilities = person === undefined ? {} : { elicitation: { form: {} } };
  const client = new Client({ name, version: '1' }, { versionNegotiation: { mode: 'auto' }, capabilities });
  if (person !== undefined) client.setRequestHandler('elicitation/create', person);
  const headers = { authorization: `Bearer token-of-${name}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${daemon.address}/mcp`), { requestInit: { headers } }));
  return client;
}

async function expectPoint(): Promise<void> {
  const points = async () => (await call(as('ann'), 'points', { path: 'app' })).points as unknown[] | undefined;
  for (let attempt = 0; attempt < 500 && ((await points())?.length ?? 0) === 0; attempt += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
}

function as(name: string): Client {
  const client = clients.get(name);
  if (client === undefined) throw new Error(`nobody is called ${name}`);
  return client;
}

type Value = Record<string, unknown> & { error?: { code: string; fix: string; valid?: string[] } };

async function call(client: Client, verb: string, args: Record<string, unknown> = {}): Promise<Value> {
  const { content } = await client.callTool({ name: `litestream_${verb}`, arguments: args });
  return JSON.parse((content as { text: string }[])[0]?.text ?? '{}');
}

async function plan(client: Client, args: Record<string, unknown> = {}): Promise<{ plan_id: string; output: string }> {
  return (await call(client, 'restore_plan', { path: 'app', ...args })).plan as { plan_id: string; output: string };
}

const refusal = async (client: Client, verb: string, args: Record<string, unknown>) => {
  const { error } = await call(client, verb, args);
  // Every refusal says what can be done.
  expect(error?.fix.length).toBeGreaterThan(10);
  return error?.code;
};

test('a plan writes nothing, its execution writes one new file, and the plan is used up', async () => {
  const { plan_id, output } = await plan(as('ann'), { output: 'first.db' });
  expect(existsSync(output)).toBe(false);
  const done = await call(as('ann'), 'restore', { plan_id });
  expect(done).toMatchObject({ mode: 'done', restored: { output, integrity_check: 'ok' } });
  expect((await stat(output)).mode & 0o777).toBe(0o600);
  expect((await readFile(output)).subarray(0, 15).toString()).toBe('SQLite format 3');
  expect(await refusal(as('ann'), 'restore', { plan_id })).toBe('PLAN_USED');
});

test('a plan belongs to who made it', async () => {
  const { plan_id, output } = await plan(as('bob'), { output: 'of-ann.db' });
  expect(await refusal(as('cid'), 'restore', { plan_id })).toBe('PLAN_NOT_FOUND');
  expect(existsSync(output)).toBe(false);
});

test('a plan that nobody made is not found', async () => {
  expect(await refusal(as('cid'), 'restore', { plan_id: 'rp_AAAAAAAAAAAAAAAAAAAAAA' })).toBe('PLAN_NOT_FOUND');
});

test('a plan carried out with other arguments is refused and stays as it was', async () => {
  const { plan_id, output } = await plan(as('dan'), { output: 'exact.db' });
  expect(await refusal(as('dan'), 'restore', { plan_id, output: 'other.db' })).toBe('USAGE');
  expect(await call(as('dan'), 'restore', { plan_id })).toMatchObject({ mode: 'done', restored: { output } });
});

test('an output that appeared after the plan is not overwritten', async () => {
  const { plan_id, output } = await plan(as('fay'), { output: 'taken.db' });
  await writeFile(output, 'mine');
  expect(await refusal(as('fay'), 'restore', { plan_id })).toBe('OUTPUT_EXISTS');
  expect(await readFile(output, 'utf8')).toBe('mine');
});

test('without the restore scope a plan can be made and not carried out', async () => {
  const { plan_id } = await plan(as('eve'), { output: 'of-eve.db' });
  expect(await refusal(as('eve'), 'restore', { plan_id })).toBe('SCOPE_REQUIRED');
});

test('outputs outside the allowed directories are refused, and the allowed ones named', async () => {
  for (const output of [
    '/etc/x.db',
    '../x.db',
    `${directory.path}/x.db`,
    `${directory.path}/app.db`,
    '-rf.db',
    '.hidden.db',
    'a\u0000.db',
    'x.txt',
  ]) {
    const { error } = await call(as('gus'), 'restore_plan', { path: 'app', output });
    expect(error?.code, output).toBe('OUTPUT_NOT_ALLOWED');
  }
  const { error } = await call(as('gus'), 'restore_plan', { path: 'app', output: '/etc/x.db' });
  expect(error?.valid).toEqual([`${directory.path}/restored`]);
});

test('URLs and unknown databases are refused wherever a name is asked', async () => {
  for (const path of ['file:///etc/passwd', 's3://bucket/db', 'sqlite:///x', '/etc/passwd', `${directory.path}/backup`, 'APP ']) {
    expect(await refusal(as('hal'), 'points', { path }), path).toBe('DB_NOT_FOUND');
  }
  expect(await refusal(as('hal'), 'points', { path: 'app', replica: 'file:///etc' })).toBe('REPLICA_NOT_FOUND');
});

test('of many executions of one plan at once exactly one succeeds', async () => {
  const { plan_id, output } = await plan(as('ida'), { output: 'once.db' });
  const answers = await Promise.all(Array.from({ length: 4 }, () => call(as('ida'), 'restore', { plan_id })));
  expect(answers.filter((answer) => answer.mode === 'done')).toHaveLength(1);
  for (const { error } of answers.filter((answer) => answer.error !== undefined))
    expect(['PLAN_USED', 'JOB_LIMIT', 'DB_BUSY']).toContain(error?.code);
  expect(existsSync(output)).toBe(true);
});

test('a person who is asked and declines voids the plan; one who agrees gets the file', async () => {
  const replies: ElicitResult[] = [{ action: 'decline' }, { action: 'accept', content: { decision: 'restore' } }];
  const asking = await connect('gus', () => replies.shift() ?? { action: 'cancel' });
  try {
    const first = await plan(asking, { output: 'asked.db' });
    expect(await refusal(asking, 'restore', { plan_id: first.plan_id })).toBe('CONFIRMATION_DECLINED');
    expect(await refusal(asking, 'restore', { plan_id: first.plan_id })).toBe('PLAN_NOT_FOUND');
    const second = await plan(asking, { output: 'asked.db' });
    expect(await call(asking, 'restore', { plan_id: second.plan_id })).toMatchObject({ mode: 'done' });
    expect(existsSync(second.output)).toBe(true);
  } finally {
    await asking.close();
  }
});
