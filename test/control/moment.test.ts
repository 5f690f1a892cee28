/** Times as people write them, and the audit file. */

import { mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type AuditEntry, AuditFile } from '../../src/control/audit.ts';
import { parseMoment } from '../../src/control/moment.ts';
import { codeOf, temporaryDirectory } from './setting.ts';

const NOW = Date.UTC(2026, 2, 1, 12);

test.each([
  ['2026-03-01T12:00:00Z', NOW],
  ['2026-03-01t12:00:00z', NOW],
  ['2026-03-01T13:00:00+01:00', NOW],
  ['2026-02-28T23:30:00-12:30', NOW],
  ['2026-03-01T12:00:00.5Z', NOW + 500],
  ['2026-03-01T12:00:00.123Z', NOW + 123],
  ['2026-03-01T12:00:00.123000000Z', NOW + 123],
  ['2026-03-01T12:00:00.123000001Z', NOW + 124],
  ['-15m', NOW - 900_000],
  ['-2h30m', NOW - 9_000_000],
  ['-3d', NOW - 259_200_000],
  ['-1.5h', NOW - 5_400_000],
  ['-1500ms', NOW - 1500],
  ['-1w', NOW - 604_800_000],
])('%s is a moment', (text, expected) => expect(parseMoment(text, NOW, 'timestamp')).toBe(expected));

test.each([
  '',
  'now',
  'yesterday',
  '15m',
  '-',
  '-m',
  '-5',
  '-5y',
  '2026-03-01',
  '2026-03-01T12:00:00',
  '2026-02-29T00:00:00Z',
  '2026-03-01T25:00:00Z',
  '2026-13-01T00:00:00Z',
  `-${'9'.repeat(30)}d`,
])('%j is none', async (text) => expect(await codeOf((async () => parseMoment(text, NOW, 'timestamp'))())).toBe('USAGE'));

const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  time: '2026-03-01T12:00:00.000Z',
  id: 'a-1',
  stage: 'before',
  principal: 'me',
  door: 'cli',
  verb: 'sync',
  effect: 'act',
  decision: 'allowed',
  ...more,
});

test('the audit file has mode 0600 and one line for each entry, whatever is in it', () => {
  const path = join(temporaryDirectory(), 'deep', 'audit.log');
  const audit = new AuditFile(path);
  audit.write(entry({ principal: 'a\n{"forged":true}', args: { token: 'lsm_abcdefghijklmnop', text: '\u202e\u2028\u{e0041}' } }));
  audit.write(entry({ stage: 'after' }));
  const text = readFileSync(path, 'utf8');
  const lines = text.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    principal: 'a\n{"forged":true}',
    args: { token: '[redacted]', text: '\u202e\u2028\u{e0041}' },
  });
  expect(text).toMatch(/^[\x20-\x7e\n]+$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the audit file is rotated by size', () => {
  const path = join(temporaryDirectory(), 'audit.log');
  const audit = new AuditFile(path, 300);
  for (let n = 0; n < 4; n++) audit.write(entry({ id: `a-${n}` }));
  expect(readFileSync(`${path}.1`, 'utf8')).toContain('"a-1"');
});

test('an audit file that is a link or a directory is refused', async () => {
  const root = temporaryDirectory();
  symlinkSync('/etc/passwd', join(root, 'link'));
  mkdirSync(join(root, 'directory'));
  for (const name of ['link', 'directory']) {
    expect(await codeOf((async () => new AuditFile(join(root, name)).write(entry()))())).toBe('AUDIT_UNAVAILABLE');
  }
});
