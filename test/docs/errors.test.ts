import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/base/errors.ts';
import { headings, ROOT, readPage, section, tableRows } from './document.ts';

const page = readPage('errors.md');
const codes = Object.keys(ERROR_CODES);

describe('docs/errors.md', () => {
  test('has a paragraph for each code, and for no other', () => {
    expect([...headings(page, 3)].sort()).toEqual([...codes].sort());
    for (const code of codes) expect(section(page, 3, code).trim().length, code).toBeGreaterThan(40);
  });

  test('tells disposition and exit status as the code has them, once each', () => {
    const told = tableRows(page).map(([code, disposition, exit]) => [code, { disposition, exit: Number(exit) }]);
    expect(told.length).toBe(codes.length);
    expect(Object.fromEntries(told)).toEqual(ERROR_CODES);
  });

  test('explains each code in the group whose table lists it', () => {
    for (const group of headings(page, 2)) {
      const text = section(page, 2, group);
      const explained = [...text.matchAll(/^### (\S+)$/gm)].map(([, code]) => code);
      expect(
        tableRows(text).map(([code]) => code),
        group,
      ).toEqual(explained);
    }
  });
});

describe('the table of error codes', () => {
  test('lists no code that nothing uses', () => {
    const used = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && path !== 'base/errors.ts')
      .map((path) => readFileSync(`${ROOT}src/${path}`, 'utf8'))
      .join('\n');
    const words = new Set(used.match(/\b[A-Z][A-Z_]+\b/g));
    expect(codes.filter((code) => !words.has(code))).toEqual([]);
  });
});
