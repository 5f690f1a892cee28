/** Go's flag rules, one by one. */

import { describe, expect, test } from 'vitest';
import { parseFlags, quoteWord } from '../../src/cli/flags.ts';

const SPECS = { config: 'string', json: 'bool', wait: 'bool', n: 'int', o: 'string' } as const;
const parse = (...args: string[]) => {
  const { values, positionals, help } = parseFlags(args, SPECS);
  return { ...values, positionals: [...positionals], ...(help ? { help } : {}) };
};

describe('parseFlags', () => {
  test.each<[string[], object]>([
    [['-config', 'a.yml', 'db'], { config: 'a.yml', positionals: ['db'] }],
    [['--config', 'a.yml'], { config: 'a.yml', positionals: [] }],
    [['-config=a.yml'], { config: 'a.yml', positionals: [] }],
    [['--config=a=b'], { config: 'a=b', positionals: [] }],
    [['-config='], { config: '', positionals: [] }],
    [['-config', '-json'], { config: '-json', positionals: [] }],
    [['-json', 'false'], { json: true, positionals: ['false'] }],
    [['-json=false'], { json: false, positionals: [] }],
    [['-json=F', '-wait=1'], { json: false, wait: true, positionals: [] }],
    [['-o', 'a', '-o', 'b', '-json', '-json=0'], { o: 'b', json: false, positionals: [] }],
    [['--', '-json'], { positionals: ['-json'] }],
    [['-json', '--', 'a', '-o'], { json: true, positionals: ['a', '-o'] }],
    [['-', 'x'], { positionals: ['-', 'x'] }],
    [['', 'x'], { positionals: ['', 'x'] }],
    [['-n', '0x10'], { n: 16, positionals: [] }],
    [['-n', '-5'], { n: -5, positionals: [] }],
    [['-n=010'], { n: 8, positionals: [] }],
    [['-n=1_000'], { n: 1000, positionals: [] }],
    [['-n=0'], { n: 0, positionals: [] }],
    [['-h'], { help: true, positionals: [] }],
    [['-json', '-help', 'x', '-o'], { json: true, help: true, positionals: ['x', '-o'] }],
    [['a', '-', 'b'], { positionals: ['a', '-', 'b'] }],
  ])('%j is understood as Go would', (args, wanted) => {
    expect(parse(...args)).toEqual(wanted);
  });

  test.each<[string[], string]>([
    [['-nope'], 'there is no flag -nope here'],
    [['--nope=1'], 'there is no flag -nope here'],
    [['-constructor'], 'there is no flag -constructor here'],
    [['---json'], '"---json" is not a flag'],
    [['-=x'], '"-=x" is not a flag'],
    [['-config'], 'flag -config needs a value'],
    [['-json=yes'], 'flag -json is true or false, not "yes"'],
    [['-n', '1.5'], 'flag -n is a whole number, not "1.5"'],
    [['-n', '0x'], 'flag -n is a whole number, not "0x"'],
    [['-n', '99999999999999999999'], 'flag -n is out of range: 99999999999999999999'],
    [['-json', 'db', '-o', 'x'], 'flag -o stands after "db"; flags go before the other arguments'],
  ])('%j is refused: %s', (args, message) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ code: 'USAGE', message }));
  });

  test('flags that come too late are answered with the right order', () => {
    expect(() => parse('-json', 'my db', '-o', 'x')).toThrow(
      expect.objectContaining({ hint: "Write the arguments in this order: -json -o x 'my db'" }),
    );
  });
});

test.each([
  ['plain/path.db', 'plain/path.db'],
  ["it's", "'it'\\''s'"],
  ['', "''"],
  ['a b', "'a b'"],
])('%j is typed as %s', (word, wanted) => {
  expect(quoteWord(word)).toBe(wanted);
});
