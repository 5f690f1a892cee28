import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDocs } from '../../tools/doc-check.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { ROOT } from './document.ts';

describe('doc check', () => {
  let temp: TempDirectory;
  beforeEach(async () => {
    temp = await tempDirectory();
  });
  afterEach(() => temp.remove());

  function tree(files: Readonly<Record<string, string>>): string[] {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(temp.path, path)), { recursive: true });
      writeFileSync(join(temp.path, path), text);
    }
    return checkDocs(temp.path).map(({ file, line, problem }) => `${file}:${line} ${problem}`);
  }

  const DECISIONS = {
    'docs/decisions/0007-seven.md': '# 7. Seven\n',
    'docs/decisions/README.md': '- [0007](0007-seven.md) Seven\n',
  };

  test('the repository keeps to it', () => {
    expect(checkDocs(ROOT)).toEqual([]);
  });

  test('a tree in order has no problems', () => {
    const found = tree({
      ...DECISIONS,
      'README.md': 'See [the engine](docs/engine.md#the-way-in), [below](#here) and [others](https://example.org/x#y).\n\n# Here\n',
      'docs/engine.md': '## The way, in\n\n`litestream status` and\n\n```sh\nlitestream verify -json\n# [not a link](nowhere.md)\n```\n',
      'src/a.ts': '/** One (docs/engine.md, The way, in; decision 7). See docs/engine.md, which has more. */\n// decisions 7 and 7\n',
    });
    expect(found).toEqual([]);
  });

  test('tells each broken link, citation, command and missing entry with its place', () => {
    const found = tree({
      ...DECISIONS,
      'docs/decisions/0008-eight.md': '# 8. Eight\n',
      'README.md': '[a](docs/none.md)\n[b](docs/engine.md#nowhere)\n`litestream frobnicate -x`\n',
      'docs/engine.md': '## Way in\n\n```\nlitestream dance\n```\n\ndecision 9\n',
      'src/a.ts': '\n// (docs/engine.md, Way out)\n// docs/gone.md\n// design decision 7\n// §4\n',
      'test/b.test.ts': '// format.md says so\n',
    });
    expect(found).toEqual([
      'README.md:1 the link docs/none.md leads nowhere',
      'README.md:2 the link docs/engine.md#nowhere leads to no heading',
      'README.md:3 there is no command "litestream frobnicate"',
      'docs/engine.md:4 there is no command "litestream dance"',
      'docs/engine.md:7 there is no decision 9 in docs/decisions',
      'src/a.ts:2 docs/engine.md has no section "Way out"',
      'src/a.ts:3 docs/gone.md does not exist',
      'src/a.ts:4 "design decision" is not in the repository',
      'src/a.ts:5 a section is cited by its heading, not by "§"',
      'test/b.test.ts:1 "format.md" is not in the repository',
      'docs/decisions/README.md:1 0008-eight.md is not in the index',
    ]);
  });

  test('prints problems and exits 1', () => {
    tree({ 'README.md': '[a](none.md)\n' });
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'tools/doc-check.ts'), temp.path], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'README.md:1: the link none.md leads nowhere\n' });
  });
});
