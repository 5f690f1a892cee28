import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { gathered } from '../../../src/storage/remote/gathered.ts';
import { Random } from '../../support/random.ts';
import { patternBytes } from '../contract/bodies.ts';

const SIZE = 500_000;

/** A stream of its own chunks, and how many bytes of it were asked for. */
class Answer extends Readable {
  asked = 0;
  readonly #chunks: Iterator<Uint8Array>;
  readonly #ending: Error | null;

  constructor(chunks: Iterable<Uint8Array>, ending: Error | null = null) {
    super({ highWaterMark: 1000 });
    this.#chunks = chunks[Symbol.iterator]();
    this.#ending = ending;
    this.on('error', () => {});
  }

  override _read(): void {
    const { value, done } = this.#chunks.next();
    if (done !== true) {
      this.asked += value.byteLength;
      this.push(value);
    } else if (this.#ending === null) this.push(null);
    else this.destroy(this.#ending);
  }
}

function* pieces(bytes: Uint8Array, length: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + length();
    yield Uint8Array.from(bytes.subarray(at, end));
    at = end;
  }
}

describe('gathered answers', () => {
  const bytes = patternBytes(SIZE);

  test('bring every byte in order, in pieces no longer than a block, however the chunks come and however slowly they are read', async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let round = 0; round < 20; round++) {
      const blockBytes = random.pick([1_000, 10_000, 64_000, 2 * SIZE]);
      const most = random.pick([700, 5_000, 100_000]);
      const stream = new Answer(pieces(bytes, () => random.between(1, most)));
      const got: Buffer[] = [];
      for await (const piece of gathered(stream, blockBytes)) {
        expect(piece.byteLength).toBeLessThanOrEqual(blockBytes);
        for (let turns = random.below(3); turns > 0; turns--) await new Promise(setImmediate);
        got.push(Buffer.from(piece));
      }
      expect(Buffer.compare(Buffer.concat(got), bytes)).toBe(0);
      expect(stream.destroyed).toBe(true);
    }
  });

  test('ask for no more than two blocks and what the stream itself holds while nobody takes them', async () => {
    const stream = new Answer(pieces(bytes, () => 1_000));
    const reading = gathered(stream, 10_000);
    await reading.next();
    for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
    expect(stream.asked).toBeLessThanOrEqual(2 * 10_000 + 3 * 1_000);
    await reading.return();
    expect(stream.destroyed).toBe(true);
  });

  test('leave the last piece as it is to whoever stops while a write of it may be under way', async () => {
    const stream = new Answer(pieces(bytes, () => 1_000));
    const reading = gathered(stream, 10_000);
    await reading.next();
    const { value: last } = await reading.next();
    const copy = Buffer.from(last ?? []);
    expect(copy.byteLength).toBeGreaterThan(0);
    await reading.return();
    expect(Buffer.compare(Buffer.from(last ?? []), copy)).toBe(0);
  });

  test('take the memory of what whoever read them to the end has done with', async () => {
    const held: Uint8Array[] = [];
    for await (const piece of gathered(new Answer(pieces(bytes, () => 1_000)), 10_000)) held.push(piece);
    expect(held.filter(({ byteLength }) => byteLength > 0)).toEqual([]);
  });

  test('bring what came before a failure, then the failure', async () => {
    const failure = new Error('broken off');
    const stream = new Answer(
      pieces(bytes.subarray(0, 5_000), () => 1_000),
      failure,
    );
    let got = 0;
    const reading = (async () => {
      for await (const piece of gathered(stream, 2_000)) got += piece.byteLength;
    })();
    await expect(reading).rejects.toBe(failure);
    expect(got).toBe(5_000);
  });

  test('of a stream that is destroyed, before or while it is read, fail instead of ending', async () => {
    const early = new Answer([]);
    early.destroy();
    await expect(gathered(early, 1_000).next()).rejects.toThrow(/premature/i);
    const stream = new Answer(pieces(bytes, () => 1_000));
    const reading = gathered(stream, 2_000);
    await reading.next();
    stream.destroy();
    const drained = (async () => {
      for await (const _ of reading);
    })();
    await expect(drained).rejects.toThrow(/premature/i);
  });
});
