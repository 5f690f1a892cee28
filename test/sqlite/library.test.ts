import { expect, test } from 'vitest';
import { MIN_SQLITE_VERSION, requireSQLiteVersion, sqliteVersion } from '../../src/sqlite/library.ts';

test('the bundled library is new enough', () => {
  expect(sqliteVersion()).toMatch(/^3\.\d+\.\d+$/);
  expect(() => requireSQLiteVersion()).not.toThrow();
});

test('older libraries are refused, newer ones are not (row 5)', () => {
  for (const version of ['3.7.17', '3.40.1', '3.50.4', '3.51.0', '3.51.2']) {
    expect(() => requireSQLiteVersion(version), version).toThrow(
      expect.objectContaining({ code: 'SQLITE_TOO_OLD', details: { version, needed: MIN_SQLITE_VERSION } }),
    );
  }
  for (const version of ['3.51.3', '3.52.0', '3.100.0', '4.0.0']) expect(() => requireSQLiteVersion(version), version).not.toThrow();
});
