import { expect, onTestFinished, test } from 'vitest';
import type { Logger } from '../../src/base/log.ts';
import { sendTail } from '../../src/compose/send-tail.ts';
import { OwnerLock } from '../../src/sqlite/owner-lock.ts';
import { codeOf, makeSetting } from '../control/setting.ts';

test('the tail of a database that another process replicates is refused at once, without a line in the log', async () => {
  const { entry } = await makeSetting({ attached: false });
  const lock = OwnerLock.acquire(entry.settings.metaPath, { pid: process.pid, startedAt: 1 });
  onTestFinished(() => lock.release());
  const lines: string[] = [];
  const log: Logger = { log: (level, message) => void lines.push(`${level} ${message}`), with: () => log };
  expect(await codeOf(sendTail(entry, log, AbortSignal.timeout(60_000)))).toBe('DB_OWNED');
  expect(lines).toEqual([]);
});
