import { expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { inflateFrame } from '../../../src/formats/kernel/lz4-frame-stream.ts';
import { between, randomFrom } from './contents.ts';
import { FRAME_SAMPLES } from './lz4-frame-samples.ts';

async function* pieces(bytes: Uint8Array, lengths: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.max(1, lengths());
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function inflated(frame: Uint8Array, lengths: () => number = () => frame.length): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  // What is yielded is valid until the next step only.
  for await (const part of inflateFrame(pieces(frame, lengths))) parts.push(part.slice());
  return Buffer.concat(parts);
}

test.each(FRAME_SAMPLES)('a frame with $title is inflated, however its bytes arrive', async ({ content, frame }) => {
  const seed = 7;
  const random = randomFrom(seed);
  expect(Buffer.compare(await inflated(frame), content)).toBe(0);
  expect(Buffer.compare(await inflated(frame, () => 1), content)).toBe(0);
  expect(Buffer.compare(await inflated(frame, () => between(random, 1, 5000)), content), `seed ${seed}`).toBe(0);
});

test.each(FRAME_SAMPLES)('$title cut at any byte, or with more behind it, is an error', async ({ frame }) => {
  const step = Math.max(1, Math.floor(frame.length / 200));
  for (let cut = 0; cut < frame.length; cut += step) {
    await expect(inflated(frame.subarray(0, cut)), `cut at ${cut}`).rejects.toMatchObject({ code: 'LTX_INVALID' });
  }
  await expect(inflated(Buffer.concat([frame, Buffer.from([0])]))).rejects.toMatchObject({ code: 'LTX_INVALID' });
});

test.each(FRAME_SAMPLES)('a flipped bit of $title is noticed or changes nothing', async ({ content, frame }) => {
  const step = Math.max(1, Math.floor((frame.length * 8) / 300));
  const hasChecksum = ((frame[4] ?? 0) & 0x14) !== 0;
  for (let bit = 0; hasChecksum && bit < frame.length * 8; bit += step) {
    const damaged = frame.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const result = await inflated(damaged).catch((error: unknown) => {
      expect(hasCode(error, 'LTX_INVALID') || hasCode(error, 'LTX_CHECKSUM_MISMATCH'), String(error)).toBe(true);
      return undefined;
    });
    if (result !== undefined) expect(Buffer.compare(result, content), `bit ${bit}`).toBe(0);
  }
});

test('an error of the source passes through', async () => {
  const failure = new Error('the line is cut');
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield (FRAME_SAMPLES[0]?.frame ?? new Uint8Array(0)).subarray(0, 100);
    throw failure;
  }
  await expect(inflateFrame(broken()).next()).rejects.toBe(failure);
});
