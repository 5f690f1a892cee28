import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, readPage, section, tableRows } from './document.ts';

const ROWS = [
  'Connect time-out, DNS failure, refused',
  'Reset or truncated body on read',
  'Silent stall mid-body',
  'Time-out or reset mid-upload',
  'Upload stalls',
  'Throttle (503 SlowDown, 429, 408, ServerBusy)',
  '500/502/504, HTML from a proxy',
  '200 that is not the protocol',
  'Container missing',
  'Wrong region / redirect',
  'Permission denied',
  'Delete denied only',
  'Credentials expired',
  'Clock skew',
  'TLS failure',
  'Host key mismatch (SFTP)',
  'Partial multi-delete',
  'Batch delete unsupported',
  'Object vanished before open (retention race)',
  'Archived object',
  'Destination directory not mounted (file, SFTP)',
  'Read-only destination',
  'Destination full / quota',
  'Local disk full (spool, restore output)',
  'Temp leftovers, orphan multiparts',
  'Rename target exists (SFTP, Windows)',
  'Server ignores range',
  'Wrong bytes',
  'Listing inconsistent (eventual)',
  'Two writers',
  'NATS disconnected for long',
  'EMFILE / ENFILE',
  'NFS hiccup',
  'Shutdown during upload',
];

const faults = tableRows(section(readPage('destinations.md'), 2, 'Faults')).map(([row = '', outcome = '', tests = '']) => ({
  row,
  outcome,
  tests,
}));

/** `file`: "title …"; "another …"; `second file`: "…" */
function named(cell: string): { file: string; title: string }[] {
  const found: { file: string; title: string }[] = [];
  let file = '';
  for (const [, path, title] of cell.matchAll(/`(test\/[^`]+)`|"([^"]+)"/g)) {
    if (path !== undefined) file = path;
    else if (title !== undefined) found.push({ file, title: title.replace(/ …$/, '') });
  }
  return found;
}

describe('the faults of docs/destinations.md', () => {
  test('are all there, in order', () => {
    expect(faults.map(({ row }) => row)).toEqual(ROWS);
  });

  test.each(faults)('$row: says what comes of it and names tests that are there', ({ row, outcome, tests }) => {
    expect(outcome.length).toBeGreaterThan(10);
    const found = named(tests);
    expect(found.length).toBeGreaterThan(0);
    for (const { file, title } of found) {
      const source = readFileSync(join(ROOT, file), 'utf8');
      expect(source.includes(title), `${file}: "${title}"`).toBe(true);
      // The matrix runs its tests below a title that is the row's.
      if (!file.startsWith('test/storage/faults/') || file.endsWith('outage.test.ts')) continue;
      const isBelow = source.replace(/\(\s+/g, '(').includes(`fault('${row}'`) || source.includes(`= '${row}'`);
      expect(isBelow, `${file} has no fault('${row}')`).toBe(true);
    }
  });
});
