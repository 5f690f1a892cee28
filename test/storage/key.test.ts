import { expect, test } from 'vitest';
import { compareKeys } from '../../src/storage/key.ts';

test('orders keys as their UTF-8 bytes', () => {
  const alphabet = ['', 'a', 'b', '/', '-', '0', 'é', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}', '\u{10000}'];
  const keys = alphabet.flatMap((x) => alphabet.map((y) => x + y));
  for (const a of keys) {
    for (const b of keys) {
      expect(Math.sign(compareKeys(a, b)), JSON.stringify([a, b])).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }
  }
});
