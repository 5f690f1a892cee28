import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask, by, makeSetting, person } from './setting.ts';

const STAMP = '20260101T120010.500Z';
const WARNING = (directory: string, database: string) => ({
  code: 'SECOND_WRITER',
  message: expect.stringMatching(
    `replica file was continued by another writer at 2026-01-01T12:00:10.500Z.*litestream restore -o ${database}.kept file://${directory}$`,
  ),
});

test('a replica that another writer has continued is restored with a warning, at every door, in the plan and in the result', async () => {
  const setting = await makeSetting({ attached: false });
  const { path, metaPath } = setting.entry.settings;
  const directory = join(metaPath, 'aside', `file-${STAMP}`);
  for (const name of [`file-20260101T110000.000Z`, `file-${STAMP}`]) mkdirSync(join(metaPath, 'aside', name), { recursive: true });
  const warnings = [WARNING(directory, path)];
  const plan = await ask(setting.control, 'restore_plan', { path: 'app' });
  expect(plan.warnings).toEqual(warnings);
  expect((await ask(setting.control, 'restore', { plan_id: plan.plan?.plan_id ?? '' })).warnings).toEqual(warnings);
  const output = join(setting.root, 'out.db');
  expect((await ask(setting.control, 'restore', { path: 'app', output, dry_run: true }, by(person))).warnings).toEqual(warnings);
  expect((await ask(setting.control, 'restore', { path: 'app', output }, by(person))).warnings).toEqual(warnings);
});

test('what was kept for another replica, by a reset, or only in part is no reason to warn', async () => {
  const setting = await makeSetting({ attached: false });
  const { metaPath } = setting.entry.settings;
  for (const name of [`file-2-${STAMP}`, `other-${STAMP}`, `reset-${STAMP}-000000000000002a`, `file-${STAMP}.tmp`])
    mkdirSync(join(metaPath, 'aside', name), { recursive: true });
  expect((await ask(setting.control, 'restore_plan', { path: 'app' })).warnings).toBeUndefined();
});
