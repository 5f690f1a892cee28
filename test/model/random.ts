/** Seeded random numbers (mulberry32), so that a failing run can be repeated. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whole number in [from, to]. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length - 1)];
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
