/** Seeded contents for the kernel tests: what databases hold, and what compressors stumble over. */

import { between, randomFrom } from '../../support/random.ts';

export { between, randomFrom };

export type Random = () => number;

export function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** A pattern of `period` bytes over and over. */
export function periodic(random: Random, length: number, period: number): Uint8Array {
  const pattern = noise(random, period);
  return Uint8Array.from({ length }, (_, at) => pattern[at % period] ?? 0);
}

/** Pieces of runs, patterns, noise and copies of what came before. */
export function mixture(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const piece = Math.min(length - at, between(random, 1, 1 + Math.floor(random() ** 3 * 600)));
    const kind = random();
    if (kind < 0.25) bytes.fill(between(random, 0, 3), at, at + piece);
    else if (kind < 0.45) bytes.set(periodic(random, piece, between(random, 1, 40)), at);
    else if (kind < 0.65 || at === 0) bytes.set(noise(random, piece), at);
    else for (let from = between(random, 0, at - 1), i = 0; i < piece; i++) bytes[at + i] = bytes[from + i] ?? 0;
    at += piece;
  }
  return bytes;
}

/** One of all these kinds. */
export function anyContent(random: Random, length: number): Uint8Array {
  const kind = between(random, 0, 5);
  if (kind === 0) return new Uint8Array(length).fill(between(random, 0, 255));
  if (kind === 1) return noise(random, length);
  if (kind === 2) return periodic(random, length, between(random, 1, 40));
  return mixture(random, length);
}
