/** Bytes at a given speed. */

import { setTimeout as sleep } from 'node:timers/promises';

/** The same bytes in pieces, each after the time it takes at `bytesPerSecond`. */
export async function* paced(bytes: Uint8Array, bytesPerSecond: number): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor(bytesPerSecond / 50));
  for (let offset = 0; offset < bytes.length; offset += step) {
    const piece = bytes.subarray(offset, offset + step);
    await sleep((piece.length / bytesPerSecond) * 1000);
    yield piece;
  }
}
