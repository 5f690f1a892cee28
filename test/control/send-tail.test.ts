import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { ask, by, codeOf, makeSetting, person, putFile, type Setting } from './setting.ts';

const hex = (txid: number) => txid.toString(16).padStart(16, '0');

/** A setting without a service, in which a forced restore calls `send` first. */
async function forced(send: (setting: Setting) => Promise<void>): Promise<{ setting: Setting; calls: () => number }> {
  let calls = 0;
  let setting: Setting | undefined;
  const sendTail = async () => {
    calls++;
    if (setting !== undefined) await send(setting);
  };
  setting = await makeSetting({ attached: false, transactions: 5, parts: { sendTail } });
  return { setting, calls: () => calls };
}

test('what is sent behind the plan does not become what is restored', async () => {
  const { setting, calls } = await forced(async ({ entry, history }) => {
    // The tail: a later state appears at the replica.
    putFile(entry.replicas[0]?.store.path ?? '', [...history, history[3] ?? Buffer.alloc(0)], 0, 6, 6);
  });
  const { path } = setting.entry.settings;
  const { restored, warnings } = await ask(setting.control, 'restore', { path: 'app', force: true }, by(person));
  expect(calls()).toBe(1);
  expect(restored).toMatchObject({ txid: hex(5), replaced: expect.stringContaining('app.db.replaced-') });
  expect(warnings).toBeUndefined();
  expect(readFileSync(path).equals(setting.history[5] ?? Buffer.alloc(0))).toBe(true);
});

test('a failure is a warning, and the restore goes on with the old file kept', async () => {
  const { setting } = await forced(async () => {
    throw new LitestreamError('STORAGE_UNAVAILABLE', 'the line is cut');
  });
  const before = readFileSync(setting.entry.settings.path);
  const { restored, warnings } = await ask(setting.control, 'restore', { path: 'app', force: true, txid: '3' }, by(person));
  expect(warnings).toEqual([{ code: 'TAIL_NOT_SENT', message: expect.stringMatching(/STORAGE_UNAVAILABLE.*kept whole/) }]);
  expect(readFileSync(restored?.replaced ?? '').equals(before)).toBe(true);
});

test('nothing is sent for another output, without force, for a plan that fails, or in a dry run', async () => {
  const { setting, calls } = await forced(async () => {});
  await ask(setting.control, 'restore', { path: 'app', force: true, output: `${setting.root}/other.db` }, by(person));
  expect(existsSync(`${setting.root}/other.db`)).toBe(true);
  expect(await codeOf(ask(setting.control, 'restore', { path: 'app' }, by(person)))).toBe('OUTPUT_EXISTS');
  expect(await codeOf(ask(setting.control, 'restore', { path: 'app', force: true, txid: '99' }, by(person)))).toBe('TX_NOT_AVAILABLE');
  await ask(setting.control, 'restore', { path: 'app', force: true, dry_run: true }, by(person));
  expect(calls()).toBe(0);
});

test('an undo is for a person on the host', async () => {
  const { setting } = await forced(async () => {});
  const { restored } = await ask(setting.control, 'restore', { path: 'app', force: true, txid: '2' }, by(person));
  expect(await codeOf(ask(setting.control, 'undo', { path: 'app' }))).toBe('SCOPE_REQUIRED');
  const plan = await ask(setting.control, 'undo', { path: 'app', dry_run: true }, by(person));
  expect(plan).toMatchObject({ mode: 'plan', from: restored?.replaced });
  expect(readFileSync(setting.entry.settings.path).equals(setting.history[2] ?? Buffer.alloc(0))).toBe(true);
  expect(await ask(setting.control, 'undo', { path: 'app' }, by(person))).toMatchObject({ mode: 'done', from: restored?.replaced });
  expect(readFileSync(setting.entry.settings.path).equals(setting.history[5] ?? Buffer.alloc(0))).toBe(true);
});
