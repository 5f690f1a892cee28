/**
 * Preloaded into a process whose clock is set again and again: in all of its threads `Date.now` is off by up to five minutes, each second by another
 * amount. LIFE_CLOCK_SEED chooses which.
 */

const seed = Number(process.env.LIFE_CLOCK_SEED ?? 0);
const real = Date.now.bind(Date);
const STEP = 1000;
const LARGEST = 300_000;

/** A hash of the second and the seed, -1…1; every third second the clock is right. */
function offset(second: number): number {
  let x = (second * 0x9e3779b1 + seed) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  x = (x ^ (x >>> 16)) >>> 0;
  return x % 3 === 0 ? 0 : (x / 2 ** 31 - 1) * LARGEST;
}

if (seed !== 0) {
  Date.now = () => {
    const now = real();
    return Math.round(now + offset(Math.floor(now / STEP)));
  };
}
