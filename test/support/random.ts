/** Seeded random numbers, so that a failing run can be repeated. */

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`. */
export const between = (random: () => number, least: number, most: number): number => least + Math.floor(random() * (most - least + 1));

export class Random {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = randomFrom(seed);
  }

  /** Whole number in [from, to]. */
  between(from: number, to: number): number {
    return between(this.next, from, to);
  }

  /** Whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Half of it compressible. */
  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length, this.between(0, 255));
    for (let i = 0; i < length / 2; i++) bytes[i] = this.between(0, 255);
    return bytes;
  }
}

/** Seed from MODEL_SEED, else from the clock. */
export function seedFromEnvironment(): number {
  const given = process.env.MODEL_SEED;
  return given === undefined ? Date.now() % 2 ** 31 : Number(given);
}
