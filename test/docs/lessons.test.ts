import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, readPage, tableRows } from './document.ts';

/** The rows that exist: 1 to 88, and one that was found later. */
const ROWS = Array.from({ length: 88 }, (_, index) => `${index + 1}`).flatMap((row) => (row === '19' ? ['19', '19b'] : [row]));

const lessons = tableRows(readPage('lessons.md')).map(([row = '', , wrong = '', here = '', tests = '']) => ({ row, wrong, here, tests }));

interface Named {
  readonly file: string;
  /** Part of a title. */
  readonly title: string;
}

/** `file`: "title …"; "another …"; `second file`: "…" */
function named(cell: string): Named[] {
  const found: Named[] = [];
  let file = '';
  for (const [, path, title] of cell.matchAll(/`(test\/[^`]+)`|"([^"]+)"/g)) {
    if (path !== undefined) file = path;
    else if (title !== undefined) found.push({ file, title: title.replace(/ …$/, '') });
  }
  return found;
}

/** Rows that the titles of a source file carry, with the line of each. */
function labels(source: string): { readonly line: string; readonly rows: string[] }[] {
  return source.split('\n').flatMap((line) => {
    const label = /\(rows? ([\db, ]+)\)/.exec(line)?.[1];
    return label === undefined ? [] : [{ line, rows: label.split(', ') }];
  });
}

function testFiles(directory = join(ROOT, 'test')): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('the rows of docs/lessons.md', () => {
  test('are all there, in order, and none is left for later', () => {
    expect(lessons.map(({ row }) => row)).toEqual(ROWS);
    expect(readPage('lessons.md')).not.toMatch(/not yet/i);
  });

  test.each(lessons)(
    '$row: says what went wrong and what is done, and names a test that carries the row, or why there is none',
    ({ row, wrong, here, tests }) => {
      expect(wrong.length).toBeGreaterThan(10);
      expect(here.length).toBeGreaterThan(10);
      const found = named(tests);
      if (found.length === 0) expect(tests).toMatch(/^Cannot happen: .{20,}/);
      for (const { file, title } of found) {
        const source = readFileSync(join(ROOT, file), 'utf8');
        const carries = labels(source).some(({ line, rows }) => line.includes(title) && rows.includes(row));
        expect(carries, `${file}: "${title}" with (row ${row})`).toBe(true);
      }
    },
  );

  test('are the only ones that titles carry', () => {
    for (const path of testFiles())
      for (const { rows, line } of labels(readFileSync(path, 'utf8'))) expect(ROWS, line).toEqual(expect.arrayContaining(rows));
  });
});
