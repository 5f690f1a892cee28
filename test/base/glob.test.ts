import { matchesGlob } from 'node:path';
import { expect, test } from 'vitest';
import { compileGlob } from '../../src/base/glob.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';

const fits = (pattern: string, name: string): boolean | undefined => compileGlob(pattern)?.(name);

test.each([
  ['*.db', 'app.db', true],
  ['*.db', '.hidden.db', true],
  ['*.db', 'app.dbx', false],
  ['*', '', true],
  ['?', 'ü', true],
  ['?', '', false],
  ['a**b', 'axxb', true],
  ['[a-c]x', 'bx', true],
  ['[!a-c]x', 'bx', false],
  ['[^a-c]x', 'dx', true],
  ['[]]', ']', true],
  ['[a-]', '-', true],
  ['[\\]]', ']', true],
  ['{a,b}', 'a', false],
  ['{a,b}', '{a,b}', true],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['my db.*', 'my db.sqlite', true],
  ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'aXbYbZ', false],
])('%s and "%s": %s', (pattern, name, wanted) => {
  expect(fits(pattern, name)).toBe(wanted);
});

test.each(['[', '[a', '[!', 'a\\', '[b-a]', '[]'])('%s is no pattern', (pattern) => {
  expect(compileGlob(pattern)).toBeUndefined();
});

test('a pattern made to be slow is not', () => {
  const begun = process.cpuUsage();
  expect(fits(`${'*a'.repeat(40)}b`, 'a'.repeat(255))).toBe(false);
  // Processor time: the machine may be busy with something else.
  expect(process.cpuUsage(begun).user / 1000).toBeLessThan(5000);
});

test('agrees with the matcher of the platform on names and patterns of its kind', () => {
  const seed = seedFromEnvironment();
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const word = (letters: string, longest: number) =>
    Array.from({ length: random.below(longest) }, () => letters[random.below(letters.length)]).join('');
  for (let round = 0; round < 3000; round++) {
    const pattern = word('ab*?', 7) || 'a';
    const name = word('ab', 7) || 'b';
    if (!pattern.includes('**')) expect(fits(pattern, name), `${pattern} ${name}`).toBe(matchesGlob(name, pattern));
  }
});
