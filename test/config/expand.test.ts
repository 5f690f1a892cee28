/** References to variables inside configuration values. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are what is tested

import { describe, expect, test } from 'vitest';
import { expandText } from '../../src/config/expand.ts';

const env = { A: 'alpha', EMPTY: '', _x1: 'under', PID: 'not this' };
const messages = (text: string) => expandText(text, env).problems.map(({ severity, message }) => `${severity}: ${message}`);

describe('expandText', () => {
  test.each([
    ['plain', 'plain'],
    ['$A', 'alpha'],
    ['${A}-b', 'alpha-b'],
    ['x$A/$_x1.', 'xalpha/under.'],
    ['${NOPE:-fallback}', 'fallback'],
    ['${EMPTY:-fallback}', 'fallback'],
    ['${A:-fallback}', 'alpha'],
    ['${NOPE:-}', ''],
    ['${NOPE:-${ALSO:-in ${A}}}!', 'in alpha!'],
    ['${A:?must be set}', 'alpha'],
    ['$$A', '$A'],
    ['$${A}', '${A}'],
    ['$$$A', '$alpha'],
    ['pa$$(x)', 'pa$(x)'],
    ['$ $/ $', '$ $/ $'],
    ['$PID', String(process.pid)],
    ['${PID}', String(process.pid)],
  ])('%s becomes %s without a word', (source, wanted) => {
    expect(expandText(source, env)).toEqual({ text: wanted, problems: [] });
  });

  test.each([
    ['a-$NOPE', 'a-', 'warning: $NOPE is not set and becomes nothing'],
    ['${NOPE}-backups', '-backups', 'warning: $NOPE is not set and becomes nothing'],
    ['pass$1word', 'password', 'warning: "$1" names no variable and becomes nothing; write $$ for a dollar sign'],
    ['a${b', 'ab', 'warning: an opening "$" and brace without a closing brace is dropped; write $$ for a dollar sign'],
    ['${}', '', 'warning: "${}" is not a variable and becomes nothing; forms are ${NAME}, ${NAME:-default}, ${NAME:?message}'],
    ['${NOPE:?say who}', '', 'error: $NOPE is not set: say who'],
    ['d/$(date)', 'd/$(date)', 'error: "$(date)" is not a date as in "$(date +%Y-%m-%d)"'],
    [
      '$(rm -rf x)',
      '$(rm -rf x)',
      'error: "$(rm -rf x)" is a shell command; commands in the configuration are never run, write $$( for the text itself',
    ],
  ])('%s becomes %s and says so', (source, wanted, message) => {
    expect(expandText(source, env).text).toBe(wanted);
    expect(messages(source)).toEqual([message]);
  });

  test('a default that is used does not report the variable, a default inside it does', () => {
    expect(messages('${NOPE:-$ALSO}')).toEqual(['warning: $ALSO is not set and becomes nothing']);
  });

  test('names of the prototype are no variables', () => {
    expect(expandText('$constructor', {}).text).toBe('');
  });
});
