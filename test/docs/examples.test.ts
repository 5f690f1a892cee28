import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { App } from '../support/app-process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { fences, headings, ROOT, readPage } from './document.ts';

// Each line is a process of its own, as in test/e2e.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

const PAGES = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith('.md'));

/** An empty directory as the pages assume it: the shipped configuration and a database, and `litestream` on PATH. */
let temp: TempDirectory;

function shell(script: string): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, PATH: `${join(temp.path, 'bin')}${delimiter}${process.env.PATH ?? ''}` };
  return new Promise((resolve) => {
    const child = execFile('sh', ['-eu', '-c', script], { cwd: temp.path, env }, (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}

beforeAll(async () => {
  temp = await tempDirectory();
  mkdirSync(join(temp.path, 'bin'));
  mkdirSync(join(temp.path, 'data'));
  symlinkSync(`${ROOT}src/launcher/litestream`, join(temp.path, 'bin', 'litestream'));
  cpSync(`${ROOT}litestream.yml`, join(temp.path, 'litestream.yml'));
  const app = await App.start(join(temp.path, 'data', 'app.db'));
  await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  await app.stop();
});
afterAll(() => temp.remove());

describe('shell examples', () => {
  const examples = PAGES.flatMap((name) =>
    fences(readPage(name))
      .filter(({ info }) => info === 'sh run')
      .map(({ text }, index) => ({ name, number: index + 1, text })),
  );

  test('there are some', () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  test.each(examples)('docs/$name, block $number: every line succeeds', async ({ text }) => {
    expect(await shell(text)).toMatchObject({ status: 0 });
  });
});

describe('JSON examples of docs/cli.md', () => {
  const CALLS: Readonly<Record<string, string>> = {
    databases: 'databases -config litestream.yml -json',
    status: 'status -config litestream.yml -json',
    ltx: 'ltx -config litestream.yml -json',
    generations: 'generations -config litestream.yml -json',
    snapshots: 'snapshots -config litestream.yml -json',
    check: 'check -config litestream.yml -json',
    verify: 'verify -config litestream.yml -json',
    rekey: 'rekey -config litestream.yml -json',
    restore: 'restore -config litestream.yml -o json.db -json',
    'restore-dry-run': 'restore -config litestream.yml -o dry.db -dry-run -json',
  };
  const examples = fences(readPage('cli.md')).flatMap(({ info, text }) => {
    const [, name] = /^json (\S+)$/.exec(info) ?? [];
    return name === undefined ? [] : [{ name, text }];
  });

  beforeAll(async () => {
    expect(await shell('litestream replicate -once -config litestream.yml')).toMatchObject({ status: 0 });
  });

  test('each one belongs to a command line', () => {
    expect(examples.map(({ name }) => name).sort()).toEqual(Object.keys(CALLS).sort());
    expect(headings(readPage('cli.md'), 2)).toEqual(expect.arrayContaining(examples.map(({ name }) => name.replace(/-dry-run$/, ''))));
  });

  test.each(examples)('$name: every member that the command prints is shown, with a value of its kind', async ({ name, text }) => {
    const { status, stdout, stderr } = await shell(`litestream ${CALLS[name]}`);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(undocumented(JSON.parse(stdout), JSON.parse(text))).toEqual([]);
  });
});

/** Paths of members that are not in the example, or that have another kind of value there. Free-form members are left alone. */
function undocumented(actual: unknown, shown: unknown, at = ''): string[] {
  if (Array.isArray(actual)) {
    if (!Array.isArray(shown)) return [at];
    return shown.length === 0 ? [] : actual.flatMap((item) => undocumented(item, shown[0], `${at}[]`));
  }
  if (actual === null || typeof actual !== 'object') return typeof actual === typeof shown ? [] : [at];
  if (shown === null || typeof shown !== 'object') return [at];
  const known = new Map(Object.entries(shown));
  return Object.entries(actual).flatMap(([name, value]) =>
    known.has(name) ? undocumented(value, known.get(name), `${at}.${name}`) : [`${at}.${name}`],
  );
}
