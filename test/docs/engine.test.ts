import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ROOT, readPage, section, tableRows } from './document.ts';

const hazards = tableRows(section(readPage('engine.md'), 2, 'Hazards')).map(([number = '', , , tests = '']) => ({ number, tests }));

/** Test files and the beginnings of titles that a cell names: `db/decide`, `db/locks`: "one …", "two …". */
function named(cell: string): { readonly files: string[]; readonly titles: string[] } {
  const files = [...cell.matchAll(/`([\w/-]+)`/g)].map(
    ([, name = '']) => `${name.startsWith('test/') ? name : `test/engine/${name}`}.test.ts`,
  );
  const titles = [...cell.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title.replace(/^… | …$|…$/g, '').trim());
  return { files, titles };
}

describe('the hazards of docs/engine.md', () => {
  test('are H1 to H14', () => {
    expect(hazards.map(({ number }) => number)).toEqual(Array.from({ length: 14 }, (_, index) => `H${index + 1}`));
  });

  test.each(hazards)('$number: the tests it names exist, and their titles begin with it', ({ number, tests }) => {
    const { files, titles } = named(tests);
    expect(titles.length).toBeGreaterThan(0);
    const sources = files.map((file) => readFileSync(ROOT + file, 'utf8'));
    for (const title of titles)
      expect(
        sources.some((source) => source.includes(`'${number}: ${title}`)),
        title,
      ).toBe(true);
  });
});
