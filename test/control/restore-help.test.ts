import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { withOthers } from '../../src/control/restore-help.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';

const entryOf = (...names: readonly string[]) =>
  ({ settings: { path: '/srv/app.db' }, replicas: names.map((name) => ({ name })) }) as unknown as DatabaseEntry;
const ADVICE = 'Without -replica the file is taken from another replica (b, c), and litestream repair /srv/app.db copies it.';

test('a damaged file of the replica that was named comes with the hint that others may have it', () => {
  const damage = new LitestreamError('LTX_CHECKSUM_MISMATCH', 'a page is damaged', { details: { page: 3 }, hint: 'Look at the disk.' });
  expect(withOthers(damage, entryOf('a', 'b', 'c'), { name: 'a' })).toMatchObject({
    code: 'LTX_CHECKSUM_MISMATCH',
    message: 'a page is damaged',
    details: { page: 3 },
    hint: `${ADVICE} Look at the disk.`,
  });
  expect(withOthers(new LitestreamError('LTX_GAP', 'a gap'), entryOf('a', 'b', 'c'), { name: 'a' })).toMatchObject({ hint: ADVICE });
});

test('not where there is no other replica, nor where the failure is not about a file', () => {
  const damage = new LitestreamError('LTX_INVALID', 'damaged');
  expect(withOthers(damage, entryOf('a'), { name: 'a' })).toBe(damage);
  const full = new LitestreamError('DISK_FULL', 'no room');
  expect(withOthers(full, entryOf('a', 'b'), { name: 'a' })).toBe(full);
  const reason = new Error('cancelled');
  expect(withOthers(reason, entryOf('a', 'b'), { name: 'a' })).toBe(reason);
});
