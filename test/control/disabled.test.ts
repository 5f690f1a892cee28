/** Disabled databases: shown with their reason wherever databases are shown, and refused wherever one is worked on. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VERBS } from '../../src/control/verbs.ts';
import type { DisabledDatabase } from '../../src/service/options.ts';
import { ask, by, makeEntry, makeSetting, model, person, reader, refusal, temporaryDirectory } from './setting.ts';

const REASON = { code: 'CONFIG_INVALID', message: 'c.yml:5:3: dbs[1].replica: half of a pair', hint: 'Mend it.' } as const;

async function scene(...names: readonly string[]) {
  const root = temporaryDirectory();
  const disabled = names.map((name): DisabledDatabase => ({ ...makeEntry(root, name), replicas: [], reason: REASON }));
  const setting = await makeSetting({ parts: { disabled } });
  return { ...setting, disabled };
}

const row = { name: 'audit', state: 'disabled', code: REASON.code, message: REASON.message, hint: REASON.hint, replicas: [] };

test('databases, status and info show it with code, message and hint', async () => {
  const { control } = await scene('audit');
  const { databases } = await ask(control, 'databases', {});
  expect(databases.map(({ name, state }) => [name, state])).toEqual([
    ['app', 'replicating'],
    ['audit', 'disabled'],
  ]);
  expect(databases[1]).toMatchObject(row);
  expect((await ask(control, 'databases', { state: 'disabled' })).databases).toMatchObject([row]);
  expect((await ask(control, 'status', {})).databases[1]).toMatchObject(row);
  expect((await ask(control, 'status', { path: 'audit' })).databases).toMatchObject([row]);
  expect(await ask(control, 'info', {})).toMatchObject({
    databases: { total: 2, replicating: 1, disabled: 1 },
    worst: [{ database: 'audit', state: 'disabled', code: 'CONFIG_INVALID', message: REASON.message }],
    proof: { unproven: 2 },
  });
});

test('a caller who may not know the database is told nothing of it', async () => {
  const { control } = await scene('audit');
  const call = by({ ...reader, databases: ['app'] });
  expect((await ask(control, 'databases', {}, call)).databases).toHaveLength(1);
  expect(await ask(control, 'info', {}, call)).toMatchObject({ databases: { total: 1, disabled: 0 }, worst: [] });
  expect(await refusal(ask(control, 'status', { path: 'audit' }, call))).toMatchObject({ code: 'DB_NOT_FOUND' });
  expect(await refusal(ask(control, 'generations', { path: 'audit' }, call))).toMatchObject({ code: 'DB_NOT_FOUND' });
});

describe('what works on one database', () => {
  const onOne = Object.keys(VERBS).filter((name) => !['info', 'databases', 'status', 'version', 'job', 'cancel'].includes(name));

  test.each(onOne)('%s refuses it with the reason', async (verb) => {
    const { control } = await scene('audit');
    const error = await refusal(control.call(verb as 'generations', { path: 'audit' }, by(person)));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: `database audit is disabled: ${REASON.message}`, hint: REASON.hint });
  });

  test('without a name the only usable one is not taken for the one that is meant', async () => {
    const { control } = await scene('audit');
    expect(await refusal(ask(control, 'generations', {}))).toMatchObject({ code: 'USAGE', details: { valid: ['app', 'audit'] } });
  });

  test('its files are protected from restores like those of the others', async () => {
    const root = temporaryDirectory();
    const audit: DisabledDatabase = { ...makeEntry(root, 'audit'), replicas: [], reason: REASON };
    const { control } = await makeSetting({ parts: { disabled: [audit] }, gate: { restoreDirs: [root] } });
    const error = await refusal(ask(control, 'restore_plan', { path: 'app', output: audit.settings.path }, by(model)));
    expect(error.code).toBe((await refusal(ask(control, 'restore_plan', { path: 'app', output: join(root, '../x.db') }, by(model)))).code);
    expect(await ask(control, 'restore_plan', { path: 'app', output: join(root, 'free.db') }, by(model))).toMatchObject({ mode: 'plan' });
  });
});

test('a member of a disabled directory is refused with the reason of the directory', async () => {
  const root = temporaryDirectory();
  const entry = makeEntry(root, 'tenants');
  const tenants = { ...entry, settings: { ...entry.settings, path: join(root, '*.db') }, replicas: [], reason: REASON };
  const { control } = await makeSetting({ parts: { disabled: [tenants] } });
  expect((await refusal(ask(control, 'generations', { path: join(root, 'one.db') }))).message).toContain('database tenants is disabled');
  expect((await ask(control, 'status', { path: join(root, 'one.db') })).databases).toMatchObject([{ name: 'tenants', state: 'disabled' }]);
  expect(await refusal(ask(control, 'generations', { path: join(root, 'below', 'one.db') }))).toMatchObject({ code: 'DB_NOT_FOUND' });
});
