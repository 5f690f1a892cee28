import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { Rebuild } from '../../support/rebuild.ts';
import { unpackTarGz } from '../../support/tar.ts';
import { withoutCounters } from './primary.ts';
import { Scene } from './scene.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/v5/vfs-0.5.17.tar.gz', import.meta.url));

let scene: Scene;
afterEach(() => scene.end());

test('what the original wrote is followed file by file', async () => {
  scene = new Scene();
  const from = join(scene.directory, 'original');
  mkdirSync(from);
  unpackTarGz(FIXTURE, from);
  const level0 = join(from, 'replica', 'ltx', '0');
  const names = readdirSync(level0).sort();
  const rebuild = new Rebuild();
  const put = (name: string) => {
    copyFileSync(join(level0, name), join(scene.root, 'ltx', '0', name));
    rebuild.apply(join(level0, name));
  };
  put(names[0] ?? '');
  const begun = await scene.begin();
  const app = await scene.reader();
  for (const name of names.slice(1)) {
    put(name);
    await scene.catchUp(begun);
    const bytes = await app.run((_, path: string) => new Uint8Array(process.getBuiltinModule('node:fs').readFileSync(path)), scene.copy);
    expect(withoutCounters(bytes).equals(withoutCounters(rebuild.image())), name).toBe(true);
    expect(readFileSync(`${scene.copy}-txid`, 'utf8')).toBe(`${name.slice(17, 33)}\n`);
    expect(await app.all('PRAGMA integrity_check', 'reader')).toEqual([{ integrity_check: 'ok' }]);
  }
});
