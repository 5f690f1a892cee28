/** Outputs that must never be written to, and what must hold when one is (docs/mcp.md, A restore takes two calls). */

import { linkSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AllowedDirectories, PRIVATE_PREFIX } from '../../src/control/allowed-directories.ts';
import { resolveOutput, suggestOutput } from '../../src/control/output-path.ts';
import { PrivateDirectory } from '../../src/control/publish.ts';
import { codeOf, makeEntry, refusal, temporaryDirectory } from './setting.ts';

interface Place {
  readonly root: string;
  readonly allowed: string;
}

function makePlace() {
  const root = temporaryDirectory();
  const allowed = join(root, 'restored');
  const entry = makeEntry(root, 'app');
  mkdirSync(allowed);
  mkdirSync(join(allowed, 'sub'));
  mkdirSync(`${allowed}-evil`);
  mkdirSync(entry.settings.metaPath);
  mkdirSync(entry.replicas[0]?.store.path ?? '', { recursive: true });
  for (const suffix of ['', '-wal', '-shm']) writeFileSync(entry.settings.path + suffix, 'live');
  writeFileSync(join(root, 'litestream.yml'), 'config');
  const rules = {
    allowed: new AllowedDirectories([allowed], { create: true }),
    entries: [entry],
    protectedPaths: [join(root, 'litestream.yml')],
  };
  onTestFinished(() => rules.allowed.settled());
  return { root, allowed, entry, rules };
}

const HOSTILE: readonly (readonly [string, (place: Place) => string])[] = [
  ['empty', () => ''],
  ['a dot', () => '.'],
  ['parent', () => '..'],
  ['out by dots', () => '../app2.db'],
  ['dots inside', () => 'sub/../x.db'],
  ['absolute with dots', ({ allowed }) => `${allowed}/../x.db`],
  ['absolute outside', ({ root }) => join(root, 'x.db')],
  ['prefix of an allowed directory', ({ allowed }) => `${allowed}-evil/x.db`],
  ['/etc', () => '/etc/x.db'],
  ['/proc', () => '/proc/self/cwd/x.db'],
  ['trailing separator', () => 'x.db/'],
  ['the directory itself', ({ allowed }) => allowed],
  ['hidden', () => '.hidden.db'],
  ['option', () => '-rf'],
  ['option with extension', () => '-rf.db'],
  ['NUL byte', () => 'x\0.db'],
  ['newline', () => 'x\n.db'],
  ['escape sequence', () => 'x\u001b[2J.db'],
  ['right-to-left override', () => 'x\u202ebd.db'],
  ['zero-width', () => 'x\u200b.db'],
  ['300 characters', () => `${'x'.repeat(300)}.db`],
  ['path of 2,000 characters', () => `${'x/'.repeat(1000)}x.db`],
  ['no extension', () => 'x'],
  ['wal', () => 'x.db-wal'],
  ['another extension', () => 'x.sh'],
  ['upper-case extension', () => 'x.DB'],
  ['trailing blank', () => 'x.db '],
  ['trailing dot', () => 'x.db.'],
  ['blank inside', () => 'x y.db'],
  ['device', () => 'NUL.db'],
  ['device, lower case', () => 'com1.db'],
  ['device without extension', () => 'NUL'],
  ['stream', () => 'a.db:stream'],
  ['drive', () => 'C:x.db'],
  ['backslash', () => '..\\x.db'],
  ['URL', () => 'file:///tmp/x.db'],
  ['sqlite URL', () => 'sqlite://x.db'],
  ['object store URL', () => 's3://bucket/x.db'],
  ['home', () => '~/x.db'],
  ['look-alike letters', () => 'аpp.db'],
  ['look-alike dot', () => 'x․db'],
  ['variable', () => '$HOME.db'],
  ['quote', () => "x';.db"],
  ['missing directory', () => 'nowhere/x.db'],
  ['a file as directory', () => 'file.db/x.db'],
];

describe('text', () => {
  test.each(HOSTILE)('%s is not an output', async (_name, textOf) => {
    const place = makePlace();
    writeFileSync(join(place.allowed, 'file.db'), '');
    const before = readdirSync(place.allowed);
    expect(await codeOf(resolveOutput(textOf(place), place.rules))).toBe('OUTPUT_NOT_ALLOWED');
    expect(readdirSync(place.allowed)).toEqual(before);
  });

  test('there are at least forty of them', () => expect(HOSTILE.length).toBeGreaterThanOrEqual(40));

  test.each([
    ['a.db', 'a.db'],
    ['sub/a.sqlite', 'sub/a.sqlite'],
    ['./a.sqlite3', 'a.sqlite3'],
    ['A_1.2-x.db', 'A_1.2-x.db'],
  ])('%s is one', async (text, relative) => {
    const { allowed, rules } = makePlace();
    expect((await resolveOutput(text, rules)).path).toBe(join(allowed, relative));
    expect((await resolveOutput(join(allowed, text), rules)).path).toBe(join(allowed, relative));
  });
});

describe('links and existing files', () => {
  test('a directory that is a link out of the allowed one is outside', async () => {
    const { root, allowed, rules } = makePlace();
    symlinkSync(root, join(allowed, 'out'));
    expect(await codeOf(resolveOutput('out/x.db', rules))).toBe('OUTPUT_NOT_ALLOWED');
  });

  test('a link from outside into the allowed directory is inside', async () => {
    const { root, allowed, rules } = makePlace();
    symlinkSync(allowed, join(root, 'in'));
    expect((await resolveOutput(join(root, 'in', 'x.db'), rules)).path).toBe(join(allowed, 'x.db'));
  });

  test.each(['', '-wal', '-shm', '-journal'])('an existing x.db%s is taken', async (suffix) => {
    const { allowed, rules } = makePlace();
    writeFileSync(join(allowed, `x.db${suffix}`), '');
    expect(await codeOf(resolveOutput('x.db', rules))).toBe('OUTPUT_EXISTS');
  });

  test.each(['', '-wal'])('a dangling link x.db%s is taken', async (suffix) => {
    const { allowed, rules } = makePlace();
    symlinkSync('/nowhere/at-all', join(allowed, `x.db${suffix}`));
    expect(await codeOf(resolveOutput('x.db', rules))).toBe('OUTPUT_EXISTS');
  });

  test('links and hard links to a live database are protected', async () => {
    const { allowed, rules, entry } = makePlace();
    symlinkSync(entry.settings.path, join(allowed, 'soft.db'));
    linkSync(entry.settings.path, join(allowed, 'hard.db'));
    linkSync(`${entry.settings.path}-wal`, join(allowed, 'side.db-wal'));
    for (const name of ['soft.db', 'hard.db', 'side.db']) expect(await codeOf(resolveOutput(name, rules))).toBe('OUTPUT_NOT_ALLOWED');
  });

  test('everything of the program itself is protected even inside an allowed directory', async () => {
    const { root, entry, rules } = makePlace();
    const wide = { ...rules, allowed: new AllowedDirectories([root], { create: true }), protectedPaths: [join(root, 'config.db')] };
    writeFileSync(join(root, 'config.db'), '');
    mkdirSync(join(entry.settings.metaPath, 'ltx'), { recursive: true });
    const outputs = [
      entry.settings.path,
      join(root, 'config.db'),
      join(root, 'CONFIG.db'),
      join(entry.settings.metaPath, 'x.db'),
      join(entry.settings.metaPath, 'ltx', 'x.db'),
      join(entry.replicas[0]?.store.path ?? '', 'x.db'),
    ];
    for (const output of outputs) expect([output, await codeOf(resolveOutput(output, wide))]).toEqual([output, 'OUTPUT_NOT_ALLOWED']);
  });

  test('a database that is not there yet is protected, and so is one whose name would be a side file of the output', async () => {
    const { root, rules } = makePlace();
    const later = makeEntry(root, 'later');
    const odd = { ...later, settings: { ...later.settings, path: join(root, 'x.db-wal') } };
    const wide = { ...rules, allowed: new AllowedDirectories([root], { create: true }), entries: [later, odd] };
    for (const output of ['later.db', 'LATER.db', 'x.db'])
      expect(await codeOf(resolveOutput(output, wide))).toMatch(/^OUTPUT_NOT_ALLOWED$/);
  });
});

describe('allowed directories', () => {
  test('none set means no output at all, and the setting is named', async () => {
    const { rules } = makePlace();
    const error = await refusal(resolveOutput('x.db', { ...rules, allowed: new AllowedDirectories([], { create: true }) }));
    expect([error.code, error.hint]).toEqual(['OUTPUT_NOT_ALLOWED', expect.stringContaining('mcp.restore-dirs')]);
  });

  test('a missing one is made', async () => {
    const { root, rules } = makePlace();
    const allowed = new AllowedDirectories([join(root, 'a', 'b')], { create: true });
    expect((await resolveOutput('x.db', { ...rules, allowed })).path).toBe(join(root, 'a', 'b', 'x.db'));
  });

  test.each(['directory', 'link'] as const)('one that was replaced by a %s is not used any more', async (kind) => {
    const { root, allowed, rules } = makePlace();
    await resolveOutput('x.db', rules);
    renameSync(allowed, join(root, 'moved'));
    if (kind === 'directory') mkdirSync(allowed);
    else symlinkSync(join(root, 'moved'), allowed);
    const isSame = kind === 'link';
    expect([isSame, await codeOf(resolveOutput('x.db', rules))]).toEqual([isSame, 'OUTPUT_NOT_ALLOWED']);
  });

  test('the choices are named in a refusal', async () => {
    const { allowed, rules } = makePlace();
    expect((await refusal(resolveOutput('/etc/x.db', rules))).details?.valid).toEqual([allowed]);
  });

  test('leftovers of dead processes are swept, those of living ones and foreign files stay', async () => {
    const { allowed, rules } = makePlace();
    mkdirSync(join(allowed, `${PRIVATE_PREFIX}999999999-abc`));
    mkdirSync(join(allowed, `${PRIVATE_PREFIX}${process.pid}-abc`));
    symlinkSync('/tmp', join(allowed, `${PRIVATE_PREFIX}999999999-link`));
    writeFileSync(join(allowed, 'other.db'), '');
    await rules.allowed.sweep();
    expect(readdirSync(allowed).sort()).toEqual(
      [`${PRIVATE_PREFIX}${process.pid}-abc`, `${PRIVATE_PREFIX}999999999-link`, 'other.db', 'sub'].sort(),
    );
  });
});

describe('names of our own', () => {
  test('a suggested name avoids those that are taken', async () => {
    const { allowed, rules } = makePlace();
    expect((await suggestOutput('app', '00000000000000a4', rules)).path).toBe(join(allowed, 'app-00000000000000a4.db'));
    writeFileSync(join(allowed, 'app-00000000000000a4.db'), '');
    expect((await suggestOutput('app', '00000000000000a4', rules)).path).toBe(join(allowed, 'app-00000000000000a4-2.db'));
  });

  test.each(['../../etc/passwd', '-rf', '.hidden', 'NUL', 'Straße ♥', '', 'x'.repeat(500)])(
    'a database called %j still gets a plain one',
    async (name) => {
      const { allowed, rules } = makePlace();
      const { path } = await suggestOutput(name, '00000000000000a4', rules);
      expect(path.startsWith(`${allowed}/`)).toBe(true);
      expect(path.slice(allowed.length + 1)).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,119}$/);
    },
  );
});

describe('publishing', () => {
  async function prepared() {
    const place = makePlace();
    const target = await resolveOutput('x.db', place.rules);
    const directory = await PrivateDirectory.create(target);
    writeFileSync(directory.file, 'restored', { mode: 0o644 });
    writeFileSync(`${directory.file}-wal`, 'left by a check');
    return { ...place, directory };
  }

  test('gives the file its name with mode 0600 and leaves nothing else', async () => {
    const { allowed, directory } = await prepared();
    await directory.publish();
    await directory.remove();
    const { statSync, readFileSync } = await import('node:fs');
    expect(readdirSync(allowed).sort()).toEqual(['sub', 'x.db']);
    const facts = statSync(join(allowed, 'x.db'));
    expect([facts.mode & 0o777, facts.nlink, readFileSync(join(allowed, 'x.db'), 'utf8')]).toEqual([0o600, 1, 'restored']);
  });

  test.each(['x.db', 'x.db-wal', 'x.db-journal'])('never replaces %s that appeared meanwhile', async (name) => {
    const { allowed, directory } = await prepared();
    writeFileSync(join(allowed, name), 'someone else');
    expect(await codeOf(directory.publish())).toBe('OUTPUT_EXISTS');
    await directory.remove();
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(join(allowed, name), 'utf8')).toBe('someone else');
    expect(readdirSync(allowed).sort()).toEqual(['sub', name].sort());
  });

  test('does not follow a directory that was swapped for a link', async () => {
    const { root, allowed, directory } = await prepared();
    renameSync(allowed, join(root, 'moved'));
    mkdirSync(join(root, 'evil'));
    symlinkSync(join(root, 'evil'), allowed);
    // The private directory went along with its parent.
    await expect(directory.publish()).rejects.toThrow();
    expect(readdirSync(join(root, 'evil'))).toEqual([]);
    rmSync(allowed);
  });
});
