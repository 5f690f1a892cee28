import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { look, Scene } from './scene.ts';

let scene: Scene;
afterEach(() => scene.end());

const cursor = () => readFileSync(`${scene.copy}-txid`, 'utf8');

test('a copy is made, and each round brings it to the newest state, page by page', async () => {
  scene = new Scene(1);
  for (let i = 0; i < 5; i++) scene.primary.step();
  const begun = await scene.begin();
  const app = await scene.reader();
  await scene.expectState(app, 5);
  expect(cursor()).toBe('0000000000000005\n');
  for (let i = 0; i < 30; i++) {
    for (let more = scene.primary.random.between(1, 4); more > 0; more--) scene.primary.step();
    await scene.catchUp(begun);
    await scene.expectState(app);
    expect(await look(app)).toEqual({ n: scene.primary.txid, ok: true, check: 'ok' });
  }
  expect(cursor()).toBe(`${scene.primary.txid.toString(16).padStart(16, '0')}\n`);
  const left = readdirSync(join(scene.directory, '.copy.db-follow'));
  expect(left.filter((name) => !name.startsWith('owner.'))).toEqual(['state.json']);
  expect(existsSync(`${scene.copy}-journal`)).toBe(false);
});
