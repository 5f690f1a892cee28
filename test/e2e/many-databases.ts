/** Databases made one right after the other in a watched directory. */

import { mkdirSync } from 'node:fs';
import type { Scene } from './scene.ts';

/** Names below `data`; every third lies a directory deeper. Each holds its own name. */
export async function createMany(scene: Scene, count: number): Promise<string[]> {
  mkdirSync(scene.at('data', 'acme'), { recursive: true });
  const names = Array.from({ length: count }, (_, number) => `${number % 3 === 0 ? 'acme/' : ''}n${number}.db`);
  for (const name of names) {
    scene.insert(name, `data/${name}`);
    scene.closeDatabase(`data/${name}`);
  }
  return names;
}
