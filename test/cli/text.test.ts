/** What is printed: tables, JSON, log lines, the progress line, words for a child. */

import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { Secret } from '../../src/base/secret.ts';
import { formatLag } from '../../src/cli/commands/generations.ts';
import { splitWords } from '../../src/cli/exec-words.ts';
import { formatJSON } from '../../src/cli/json.ts';
import { createLogger } from '../../src/cli/logger.ts';
import { createProgressLine, formatProgress } from '../../src/cli/progress.ts';
import { formatSIBytes, formatTable, formatTime, printable } from '../../src/cli/table.ts';

describe('tables', () => {
  test('pad with two spaces and leave the last column alone', () => {
    expect(
      formatTable([
        ['path', 'replica'],
        ['/a/b.db', 's3'],
        ['/ä', 'file'],
      ]),
    ).toBe('path     replica\n/a/b.db  s3\n/ä       file\n');
  });

  test('cells cannot move the cursor', () => {
    expect(printable('a\u001b[2Jb\nc')).toBe('a\ufffd[2Jb\ufffdc');
  });

  test.each([
    [0, '0 B'],
    [9, '9 B'],
    [10, '10 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [32_768, '33 kB'],
    [4_120_032, '4.1 MB'],
    [1_000_000_000, '1.0 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatSIBytes(bytes)).toBe(text);
  });

  test('times have seconds and UTC', () => {
    expect(formatTime('2026-03-01T12:00:00.987Z')).toBe('2026-03-01T12:00:00Z');
    expect(formatTime(undefined)).toBe('-');
  });

  test.each<[number | undefined, string]>([
    [undefined, '-'],
    [0, '0ms'],
    [0.4567, '456ms'],
    [1.29, '1.2s'],
    [12.9, '12s'],
    [75, '1m15s'],
    [3661, '1h1m1s'],
    [-2.5, '-2.5s'],
  ])('a lag of %d s is shown as %s, without blanks', (seconds, text) => {
    expect(formatLag(seconds)).toBe(text);
  });
});

describe('JSON', () => {
  test('has two spaces of indent, escaped angle brackets, and numbers of any size', () => {
    expect(formatJSON({ a: '<&>', n: 0xffff_ffff_ffff_ffffn, list: [], inner: [{ b: undefined, c: null }], s: new Secret('x') })).toBe(
      '{\n  "a": "\\u003c\\u0026\\u003e",\n  "n": 18446744073709551615,\n  "list": [],\n  "inner": [\n    {\n      "c": null\n    }\n  ],\n  "s": "***"\n}\n',
    );
  });

  test('is what JSON.stringify would have said otherwise', () => {
    const value = { deep: [[1, [2]], {}, 'text "quoted"\n', true, 1.5], date: new Date(0) };
    expect(formatJSON(value)).toBe(`${JSON.stringify(value, null, 2)}\n`);
  });
});

describe('log lines', () => {
  const clock: Clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };
  const log = (type: 'text' | 'json', work: (logger: ReturnType<typeof createLogger>) => void): string => {
    let out = '';
    work(createLogger({ level: 'info', type, clock, stream: { write: (text: string) => (out += text) } }));
    return out;
  };

  test('look like slog text', () => {
    const out = log('text', (logger) =>
      logger
        .with({ db: '/a b.db' })
        .log('warn', 'sync failed', { n: 3, txid: 5n, none: undefined, empty: '', error: new Error('no "room"') }),
    );
    expect(out).toBe('time=1970-01-01T00:00:00.000Z level=WARN msg="sync failed" db="/a b.db" n=3 txid=5 empty="" error="no \\"room\\""\n');
  });

  test('show an error as one text, as data only in JSON', () => {
    const error = { code: 'ACCESS_DENIED', message: 'put refused', cause: '403', details: { key: 'k' } };
    expect(log('text', (logger) => logger.log('error', 'x', { error }))).toContain('error="ACCESS_DENIED: put refused: 403"');
    expect(JSON.parse(log('json', (logger) => logger.log('error', 'x', { error })))).toMatchObject({ error });
  });

  test('look like slog JSON', () => {
    const out = log('json', (logger) => logger.log('info', 'up', { n: 3, list: [1n], inner: { token: 'abc' } }));
    expect(out).toBe('{"time":"1970-01-01T00:00:00.000Z","level":"INFO","msg":"up","n":3,"list":["1"],"inner":{"token":"***"}}\n');
  });

  test('below the level are not written', () => {
    expect(log('text', (logger) => logger.log('debug', 'x'))).toBe('');
  });

  test('cannot be forged by line breaks in a value', () => {
    expect(log('text', (logger) => logger.log('info', 'a', { path: 'x\ntime=1 level=ERROR' })).trimEnd()).not.toContain('\n');
  });

  test('never show credentials', () => {
    const out = log('text', (logger) =>
      logger.log('info', 'to sftp://me:hunter2@host/x with Bearer abcdefghijkl', {
        url: 'https://h/?token=topsecret&x=1',
        password: 'hunter2',
        'secret-access-key': 'hunter2',
        s: new Secret('hunter2'),
      }),
    );
    expect(out).not.toMatch(/hunter2|topsecret|abcdefghijkl/);
    expect(out).toContain('x=1');
  });
});

describe('progress', () => {
  test('tells share, amount, rate and time left', () => {
    const progress = { phase: 'fetch', done: 30_000_000, total: 50_000_000, unit: 'bytes', message: '' } as const;
    expect(formatProgress(progress, 2, 20_000_000)).toBe('fetch   60%  30 MB of 50 MB  10 MB/s  2s left');
    expect(formatProgress({ phase: 'write', done: 10, unit: 'pages', message: '' }, 0, 10)).toBe('write  10 pages');
  });

  test('is one line that is redrawn at most ten times a second and removed at the end', () => {
    let now = 0;
    const clock: Clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
    const writes: string[] = [];
    const line = createProgressLine({ isTTY: true, columns: 30, write: (text: string) => writes.push(text) }, clock);
    for (let done = 0; done < 1000; done++) {
      now = done;
      line.update({ phase: 'fetch', done, total: 1_000_000_000, unit: 'bytes', message: '' });
    }
    line.clear();
    line.clear();
    expect(writes).toHaveLength(11);
    expect(writes.every((text) => !text.includes('\n') && text.length <= 30 + 4)).toBe(true);
    expect(writes.at(-1)).toBe('\r\u001b[K');
  });

  test('is silent where there is no terminal', () => {
    const line = createProgressLine({ write: () => expect.unreachable() });
    line.update({ phase: 'x', done: 1, total: 1, unit: 'bytes', message: '' });
    line.clear();
  });
});

describe('the words of -exec', () => {
  test.each<[string, string[]]>([
    ['node server.js', ['node', 'server.js']],
    ['  a   b\tc ', ['a', 'b', 'c']],
    [`sh -c 'a; b | c > "d"'`, ['sh', '-c', 'a; b | c > "d"']],
    [`a "b c" d'e f'g`, ['a', 'b c', 'de fg']],
    ['a "x \\" \\\\ \\n" \'\\\'', ['a', 'x " \\ \\n', '\\']],
    ['a b\\ c \\;', ['a', 'b c', ';']],
    ['a "" b', ['a', '', 'b']],
    ['run $HOME *', ['run', '$HOME', '*']],
  ])('%s', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  test.each([['a; b'], ['a & b'], ['a | b'], ['a > b'], ['a < b'], ['(a)'], ['a "b'], ["a 'b"], ['a \\'], ['   '], [''], ['"" x']])(
    '%s is refused, not cut short',
    (text) => {
      expect(() => splitWords(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});
