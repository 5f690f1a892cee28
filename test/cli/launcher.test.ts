/** The launcher: from anywhere, through links, with the right Node or a plain refusal. */

import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SUMMARIES } from '../../src/cli/summaries.ts';
import { VERSION } from '../../src/version.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const execute = promisify(execFile);
const LAUNCHER = resolve('src/launcher/litestream');

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(() => directory.remove());

test('the version is that of the package', async () => {
  expect(JSON.parse(await readFile('package.json', 'utf8')).version).toBe(VERSION);
});

describe('the launcher', () => {
  test('works by absolute path from another directory and keeps quiet', async () => {
    expect(await execute(LAUNCHER, ['version'], { cwd: directory.path })).toEqual({ stdout: `${VERSION}\n`, stderr: '' });
  });

  test('lets no library warn on the console', async () => {
    const warn = `data:text/javascript,process.emitWarning('received unexpected error', 'MetadataLookupWarning')`;
    const { stderr } = await execute(LAUNCHER, ['version'], {
      env: { ...process.env, NODE_OPTIONS: `--import=${warn.replaceAll(' ', '%20')}` },
    });
    expect(stderr).toBe('');
  });

  test('works by relative path', async () => {
    expect((await execute('./litestream', ['version'], { cwd: resolve('src/launcher') })).stdout).toBe(`${VERSION}\n`);
  });

  test('works through relative and absolute links, one after another, and from PATH', async () => {
    await mkdir(join(directory.path, 'a b/bin'), { recursive: true });
    await symlink(LAUNCHER, join(directory.path, 'one'));
    await symlink('../../one', join(directory.path, 'a b/bin/litestream'));
    const bin = join(directory.path, 'a b/bin');
    expect((await execute(join(bin, 'litestream'), ['version'])).stdout).toBe(`${VERSION}\n`);
    expect((await execute('litestream', ['version'], { cwd: '/', env: { PATH: `${bin}:${process.env.PATH}` } })).stdout).toBe(
      `${VERSION}\n`,
    );
  });

  test('hands arguments and exit statuses through unchanged', async () => {
    const failure = await execute(LAUNCHER, ['no such', 'x y']).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('there is no command "no such"') });
  });

  test('prints every command with -h', async () => {
    const { stdout } = await execute(LAUNCHER, ['-h']);
    for (const name of Object.keys(SUMMARIES)) expect(stdout).toContain(`\n  ${name} `);
  });

  test('hands nothing that it sets for itself on to programs it starts, and leaves what is set already', async () => {
    const shown = `import { writeSync } from 'node:fs'; process.on('exit', () => writeSync(1, JSON.stringify(process.env)));`;
    const hook = join(directory.path, 'hook.mjs');
    await writeFile(hook, shown);
    const { PATH } = process.env;
    const own = { PATH, NODE_OPTIONS: `--import=${hook}`, MALLOC_ARENA_MAX: '7' };
    const { stdout } = await execute(LAUNCHER, ['version'], { env: own });
    const handedOn = JSON.parse(stdout.slice(stdout.indexOf('{')));
    expect(handedOn).toMatchObject(own);
    expect(Object.keys(handedOn).filter((name) => /^(NODE_COMPILE|MALLOC_|LITESTREAM)/.test(name))).toEqual(['MALLOC_ARENA_MAX']);
  });

  test.each([
    ['replicate', '32768'],
    ['restore', '262144'],
  ])('tells glibc at %s to map blocks from %s bytes on by themselves', async (command, bytes) => {
    const hook = join(directory.path, 'hook.mjs');
    await writeFile(hook, `import { writeSync } from 'node:fs'; writeSync(1, process.env.MALLOC_MMAP_THRESHOLD_);`);
    const env = { PATH: process.env.PATH, NODE_OPTIONS: `--import=${hook}` };
    const { stdout } = await execute(LAUNCHER, [command, '-h'], { env });
    expect(stdout.startsWith(bytes)).toBe(true);
  });

  test.each([
    ['replicate', 'function'],
    ['restore', 'function'],
    ['version', 'undefined'],
  ])('lets every thread of %s collect garbage by itself: %s', async (command, type) => {
    const hook = join(directory.path, 'hook.mjs');
    const thread = `require('node:fs').writeSync(1, typeof gc + String.fromCharCode(10))`;
    await writeFile(
      hook,
      `import { isMainThread, Worker } from 'node:worker_threads';
       import { once } from 'node:events';
       if (isMainThread) await once(new Worker("${thread}", { eval: true, execArgv: [] }), 'exit');
       process.on('exit', () => console.log(typeof gc));`,
    );
    const env = { PATH: process.env.PATH, NODE_OPTIONS: `--import=${hook}` };
    const { stdout } = await execute(LAUNCHER, [command, ...(command === 'version' ? [] : ['-h'])], { env });
    const lines = stdout.trim().split('\n');
    expect([lines[0], lines.at(-1)]).toEqual([type, type]);
  });
});

describe('quick answers', () => {
  /** Files of ours and packages that a command line loads. */
  async function loaded(...args: string[]): Promise<readonly string[]> {
    const hook = join(directory.path, 'hook.mjs');
    await writeFile(
      hook,
      `import { registerHooks } from 'node:module';
       const seen = [];
       registerHooks({ load: (url, context, next) => { if (url.startsWith('file:')) seen.push(url); return next(url, context); } });
       process.on('exit', () => process.stderr.write(JSON.stringify(seen)));`,
    );
    const { stderr } = await execute(process.execPath, ['--import', hook, resolve('src/main.ts'), ...args]);
    return (JSON.parse(stderr) as string[])
      .map((url) => url.slice(`file://${process.cwd()}/`.length))
      .filter((file) => file.startsWith('src/') || file.startsWith('node_modules/'));
  }

  test.each([[['version']], [['-h']], [['restore', '-h']]])('%j loads no engine, no parser and no package', async (args) => {
    const files = await loaded(...args);
    expect(files).toContain('src/cli/run.ts');
    expect(files.filter((file) => !/^src\/(main|version|cli\/|config\/|base\/|control\/caller)/.test(file))).toEqual([]);
    expect(files.length).toBeLessThan(args[0] === 'restore' ? 45 : 14);
  });
});

describe('which Node', () => {
  /** A package of its own with a launcher, an entry that prints which Node runs it, and fake Nodes. */
  async function package_(root: string, entry: string): Promise<string> {
    const launcher = join(root, 'src/launcher/litestream');
    await mkdir(join(root, 'src/launcher'), { recursive: true });
    await mkdir(join(root, 'dist'), { recursive: true });
    await copyFile(LAUNCHER, launcher);
    await writeFile(join(root, entry), '');
    return launcher;
  }
  async function fakeNode(path: string, version: string, name: string): Promise<void> {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(
      path,
      `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else while [ "\${1#-}" != "$1" ]; do shift; done; echo ${name} "$@"; fi\n`,
    );
    await chmod(path, 0o755);
  }
  const path = (...first: string[]) => ({ PATH: [...first, '/usr/bin', '/bin'].join(':') });

  test('is the one of the package itself', async () => {
    const launcher = await package_(directory.path, 'src/main.ts');
    await fakeNode(join(directory.path, 'node_modules/node/bin/node'), 'v24.1.0', 'own');
    await fakeNode(join(directory.path, 'bin/node'), 'v25.0.0', 'path');
    expect((await execute(launcher, ['a b'], { env: path(join(directory.path, 'bin')) })).stdout).toBe(
      `own ${directory.path}/src/main.ts a b\n`,
    );
  });

  test('is one beside an installed package, which runs emitted JavaScript', async () => {
    const root = join(directory.path, 'node_modules/litestream-mcp');
    const launcher = await package_(root, 'dist/main.js');
    await writeFile(join(root, 'src/main.ts'), '');
    await fakeNode(join(directory.path, 'node_modules/node/bin/node'), 'v24.1.0', 'beside');
    expect((await execute(launcher, [], { env: path() })).stdout).toBe(`beside ${root}/dist/main.js\n`);
  });

  test('is the one on PATH when the package has none or an old one', async () => {
    const launcher = await package_(directory.path, 'src/main.ts');
    await fakeNode(join(directory.path, 'node_modules/node/bin/node'), 'v18.1.0', 'old');
    await fakeNode(join(directory.path, 'bin/node'), 'v30.0.0', 'path');
    expect((await execute(launcher, [], { env: path(join(directory.path, 'bin')) })).stdout).toBe(`path ${directory.path}/src/main.ts\n`);
  });

  test('is refused in one sentence when all are too old', async () => {
    const launcher = await package_(directory.path, 'src/main.ts');
    await fakeNode(join(directory.path, 'bin/node'), 'v22.13.0', 'path');
    const failure = await execute(launcher, ['version'], { env: path(join(directory.path, 'bin')) }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^Error: litestream needs Node 24 or newer \(found: v22\.13\.0\); .*\n$/),
    });
  });
});
