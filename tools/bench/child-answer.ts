/** The one answer of a process that was started to do one thing. */

import { once } from 'node:events';
import type { Scene } from './scene.ts';

/** Runs a module of this directory in a process of its own and resolves with the message it sends. */
export async function answerOf<T>(scene: Scene, module: string, args: readonly string[]): Promise<T> {
  const child = scene.fork(module, args);
  let answer: { readonly value: T } | undefined;
  child.on('message', (value) => {
    answer = { value: value as T };
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (answer === undefined) throw new Error(`${module} ended with ${code ?? signal} and said nothing`);
  return answer.value;
}
