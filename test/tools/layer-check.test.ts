import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkLayers } from '../../tools/layers/check.ts';
import { findImports } from '../../tools/layers/imports.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const TOOL = fileURLToPath(new URL('../../tools/layer-check.ts', import.meta.url));

describe('layer check', () => {
  let temp: TempDirectory;
  beforeEach(async () => {
    temp = await tempDirectory();
  });
  afterEach(() => temp.remove());

  async function tree(files: Readonly<Record<string, string>>): Promise<string[]> {
    for (const [path, source] of Object.entries(files)) {
      await mkdir(dirname(join(temp.path, path)), { recursive: true });
      await writeFile(join(temp.path, path), source);
    }
    return checkLayers(temp.path).map(({ file, line, rule }) => `${file}:${line} ${rule}`);
  }

  test('the repository keeps its own drawing', () => {
    expect(execFileSync(process.execPath, [TOOL], { encoding: 'utf8', stdio: 'pipe' })).toBe('');
  });

  test('a tree that follows the drawing has no violations', async () => {
    const found = await tree({
      'base/errors.ts': 'export const a = 1;',
      'storage/store.ts': "import { a } from '../base/errors.ts';\nexport * from './other.ts';\nexport const b = a;",
      'storage/other.ts': "import Database from 'node:fs';",
      'sqlite/db.ts': "import Database from 'better-sqlite3';",
      'engine/e.ts': "import { b } from '../storage/store.ts';\nimport '../sqlite/db.ts';",
      'config/settings.ts': "import type { X } from '../mcp/options.ts';\nimport { a } from '../base/errors.ts';",
      'storage/spec.ts': 'export const c = 1;',
      'config/stores.ts': "import { c } from '../storage/spec.ts';",
      'mcp/options.ts': "import { McpServer } from '@modelcontextprotocol/server';\nimport type { L } from '../http/options.ts';",
      'http/options.ts': "import { v } from '../version.ts';",
      'version.ts': 'export const v = 1;',
      'compose.ts': "import '../src/x.ts';\nimport './config/settings.ts';\nimport './cli/main.ts';",
      'cli/main.ts': "import type { S } from '../config/settings.ts';\nconst later = () => import('../compose.ts');",
      'workers/engine-entry.ts': "import '../compose/jobs.ts';\nimport '../config/settings.ts';",
      'workers/pool.ts': "const url = new URL('./engine-entry.ts', import.meta.url);",
      'compose/jobs.ts': "import '../engine/e.ts';",
    });
    expect(found).toEqual([]);
  });

  test('tells each wrong import with file, line and rule', async () => {
    const found = await tree({
      'base/errors.ts': "/** Sentence. */\n\nimport type { S } from '../storage/store.ts';",
      'storage/store.ts': "\nexport type { T } from '../formats/ltx/txid.ts';",
      'formats/ltx/txid.ts': "import { w } from '../wal/header.ts';",
      'formats/wal/header.ts': "export { q } from '../../service/service.ts';",
      'service/service.ts': "import Database from 'better-sqlite3';\nimport { c } from '../config/settings.ts';",
      'config/settings.ts': "import { s } from '../service/service.ts';",
      'http/server.ts': "import {\n  one,\n  two,\n} from '../mcp/tools.ts';\nimport '@modelcontextprotocol/sdk/server/mcp.js';",
      'mcp/tools.ts': "const x = await import('../cli/main.ts');",
      'cli/main.ts': "const w = new Worker(new URL('../http/server.ts', import.meta.url));\nimport { go } from '../compose.ts';",
      'compose.ts': 'export const go = 1;',
      'lonely.ts': "import './base/errors.ts';",
      'utils/x.ts': "import '../base/errors.ts';",
    });
    expect([...found].sort()).toEqual(
      [
        'base/errors.ts:3 base may not import storage (storage/store.ts)',
        'cli/main.ts:1 cli may not import http (http/server.ts)',
        'cli/main.ts:2 compose.ts puts the rooms together; no room imports it',
        'config/settings.ts:1 config may import only types of service (service/service.ts)',
        'formats/ltx/txid.ts:1 formats/ltx may not import formats/wal (formats/wal/header.ts)',
        'formats/wal/header.ts:1 formats/wal may not import service (service/service.ts)',
        'http/server.ts:1 http may not import mcp (mcp/tools.ts)',
        'http/server.ts:5 only mcp may import the package @modelcontextprotocol/sdk/server/mcp.js',
        'lonely.ts:1 lonely.ts is in no room',
        'mcp/tools.ts:1 mcp may not import cli (cli/main.ts)',
        'service/service.ts:1 only sqlite may import the package better-sqlite3',
        'service/service.ts:2 import cycle: config/settings.ts -> service/service.ts -> config/settings.ts',
        'service/service.ts:2 service may not import config (config/settings.ts)',
        'storage/store.ts:2 storage may not import formats/ltx (formats/ltx/txid.ts)',
        'utils/x.ts:1 there is no room "utils" in the drawing',
      ].sort(),
    );
  });

  test('finds circles of value imports, and lets types and late imports close one', async () => {
    const found = await tree({
      'base/a.ts': "import { b } from './b.ts';",
      'base/b.ts': "export { c } from './c.ts';",
      'base/c.ts': "import './a.ts';",
      'base/d.ts': "import type { E } from './e.ts';",
      'base/e.ts': "import { d } from './d.ts';",
      'base/f.ts': "const g = () => import('./g.ts');",
      'base/g.ts': "import { f } from './f.ts';",
      'base/self.ts': "import './self.ts';",
    });
    expect(found).toEqual([
      'base/c.ts:1 import cycle: base/a.ts -> base/b.ts -> base/c.ts -> base/a.ts',
      'base/self.ts:1 import cycle: base/self.ts -> base/self.ts',
    ]);
  });

  test('prints violations and exits 1', async () => {
    await tree({ 'base/a.ts': "import '../storage/b.ts';", 'storage/b.ts': '' });
    const { status, stderr } = spawnSync(process.execPath, [TOOL, temp.path], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('base/a.ts:1: base may not import storage (storage/b.ts)');
  });

  test('sees every form of import, and none in comments, strings, templates or regular expressions', () => {
    const source = [
      "import a from './a.ts'; // import x from './comment.ts'",
      "/* import x from './block.ts'; */ import * as b from './b.ts';",
      "import type { C } from './c.ts';",
      "export { d, type E } from './d.ts';",
      "export * as f from './f.ts';",
      "import def, { named } from './g.ts';",
      ["const t = `import x from './template.ts' $", '{`nested $', "{1} import './no.ts'`} $", "{await import('./h.ts')}`;"].join(''),
      "const r = /import '.\\/regex.ts'[/'\"]/; import './i.ts';",
      "const s = \"import x from './string.ts'\".length / 2; const q = 1 / 2; import './j.ts';",
      "new Worker(new URL('./k.ts', import.meta.url)); new URL('./data.json', import.meta.url); new URL('https://x.y/z.ts');",
      "import type from './l.ts';",
      'export type Local = { from: string };',
    ].join('\n');
    expect(findImports(source).map(({ specifier, line, kind }) => `${line} ${specifier} ${kind}`)).toEqual([
      '1 ./a.ts value',
      '2 ./b.ts value',
      '3 ./c.ts type',
      '4 ./d.ts value',
      '5 ./f.ts value',
      '6 ./g.ts value',
      '8 ./i.ts value',
      '9 ./j.ts value',
      '10 ./k.ts lazy',
      '11 ./l.ts value',
    ]);
  });
});
