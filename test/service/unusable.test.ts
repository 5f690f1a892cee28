/** Databases whose replicas cannot be made: who is told, and who goes on. */

import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { checkHealth } from '../../src/service/health.ts';
import { makeAll } from '../../src/service/unusable.ts';
import { makeEntry, temporaryDirectory } from '../control/setting.ts';

const cannot = (name: string) => new LitestreamError('CONFIG_INVALID', `the token of ${name} is none`, { hint: 'Make another.' });

async function scene() {
  const root = temporaryDirectory();
  const entries = ['a', 'b', 'c'].map((name) => makeEntry(root, name));
  const make =
    (...broken: readonly string[]) =>
    async ({ settings }: (typeof entries)[number]): Promise<string> => {
      if (broken.includes(settings.name)) throw cannot(settings.name);
      return `made ${settings.name}`;
    };
  return { entries, make, log: silentLogger };
}

test('a database whose replica cannot be made is disabled with the reason, and the others are made', async () => {
  const { entries, make, log } = await scene();
  const { made, disabled } = await makeAll(entries, make('b'), { log });
  expect(made.map(([, result]) => result)).toEqual(['made a', 'made c']);
  expect(disabled).toMatchObject([
    { settings: { name: 'b' }, replicas: [], reason: { code: 'CONFIG_INVALID', message: 'the token of b is none', hint: 'Make another.' } },
  ]);
});

test('with strict, or when nothing could be made, all of them are told at once', async () => {
  const { entries, make, log } = await scene();
  const both = expect.stringMatching(/^2 databases .*\n.*token of a is none\n.*token of c is none$/);
  await expect(makeAll(entries, make('a', 'c'), { log, strict: true })).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: both });
  await expect(makeAll(entries, make('b'), { log, strict: true })).rejects.toThrow('the token of b is none');
  await expect(makeAll(entries, make('a', 'b', 'c'), { log })).rejects.toMatchObject({ message: expect.stringMatching(/^3 databases/) });
});

test('what is not a refusal of ours is not swallowed', async () => {
  const { entries, log } = await scene();
  const make = async (entry: (typeof entries)[number]) => {
    if (entry.settings.name === 'c') throw new TypeError('a mistake');
    return entry;
  };
  await expect(makeAll(entries, make, { log })).rejects.toThrow(TypeError);
});

test('health is failing while a database is disabled, and says which and why', async () => {
  const { entries, make, log } = await scene();
  const { disabled } = await makeAll(entries, make('b'), { log });
  expect(await checkHealth([], [], disabled)).toEqual({
    status: 'failing',
    databases: [{ name: 'b', state: 'disabled', code: 'CONFIG_INVALID', replicas: [] }],
  });
  expect((await checkHealth([], [], [])).status).toBe('ok');
});
