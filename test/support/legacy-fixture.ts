/** The replicas that version 0.3.13 wrote, unpacked with their times, and what the original's own restore gave. */

import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackTarGz } from './tar.ts';

export const LEGACY_FIXTURES = fileURLToPath(new URL('../fixtures/v3/', import.meta.url));

/**
 * The archives keep whole seconds. The program uploaded once a second, between 0.232 and 0.320 s past it: only then do the recorded times
 * and what was restored at them agree.
 */
const PAST_THE_SECOND = 0.3;

export interface LegacyExpected {
  /** `latest`, or a time. */
  readonly at: string;
  readonly counts: string;
  /** SHA-256 of what `sqlite3 FILE .dump` prints. */
  readonly dump: string;
}

export function legacyExpectations(name: 'plain' | 'age'): LegacyExpected[] {
  const lines = readFileSync(join(LEGACY_FIXTURES, `${name}.expected.tsv`), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [at = '', counts = '', dump = ''] = line.split('\t');
    return { at, counts, dump };
  });
}

/** Unpacks a replica below `directory` and returns its path. */
export function unpackLegacy(name: 'plain' | 'age', directory: string): string {
  mkdirSync(directory, { recursive: true });
  unpackTarGz(join(LEGACY_FIXTURES, `${name}.tar.gz`), directory);
  const replica = join(directory, name === 'plain' ? 'replica' : 'enc');
  for (const entry of readdirSync(replica, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const seconds = Math.floor(statSync(path).mtimeMs / 1000) + PAST_THE_SECOND;
    utimesSync(path, seconds, seconds);
  }
  return replica;
}

export const LEGACY_IDENTITY_FILE = join(LEGACY_FIXTURES, 'age.test-identity.txt');

/** The one test key, which protects nothing. */
export const legacyIdentity = (): string =>
  readFileSync(LEGACY_IDENTITY_FILE, 'utf8')
    .split('\n')
    .find((line) => line.startsWith('AGE-')) ?? '';
