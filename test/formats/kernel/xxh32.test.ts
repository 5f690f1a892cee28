import { expect, test } from 'vitest';
import { Xxh32, xxh32 } from '../../../src/formats/kernel/xxh32.ts';
import { between, noise, randomFrom } from './contents.ts';

test.each([
  ['', 0x02cc5d05],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
] as const)('the published sum of "%s"', (text, sum) => {
  expect(xxh32(new TextEncoder().encode(text))).toBe(sum);
});

test('a sum over pieces of any length is the sum of the whole', () => {
  const random = randomFrom(32);
  for (let round = 0; round < 500; round++) {
    const bytes = noise(random, between(random, 0, 200));
    const running = new Xxh32();
    for (let at = 0; at < bytes.length; ) {
      const end = at + between(random, 0, 40);
      running.update(bytes.subarray(at, end));
      at = end;
    }
    expect(running.digest()).toBe(xxh32(bytes));
  }
});
