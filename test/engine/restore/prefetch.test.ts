import { describe, expect, test } from 'vitest';
import { Prefetch } from '../../../src/engine/restore/prefetch.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import type { OpenedObject } from '../../../src/storage/object-store.ts';
import { between, randomFrom } from '../../support/random.ts';
import { info } from './listing.ts';

/** A store whose files are numbered chunks, each gone when the next is asked for; knows what is open and how far it was read. */
class Source {
  open = 0;
  mostOpen = 0;
  delivered = 0;
  readonly #chunks: number;
  readonly #size: number;

  constructor(chunks: number, size: number) {
    this.#chunks = chunks;
    this.#size = size;
  }

  readonly opener = async (file: FileInfo): Promise<OpenedObject> => {
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    let isOpen = true;
    const close = async () => {
      if (isOpen) this.open--;
      isOpen = false;
    };
    return { size: undefined, tag: undefined, body: this.#body(Number(file.maxTXID)), close };
  };

  async *#body(fill: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#chunks; at++) {
      await new Promise(setImmediate);
      this.delivered += this.#size;
      const chunk = new Uint8Array(this.#size).fill(fill);
      yield chunk;
      chunk.fill(0xee);
    }
  }
}

const files = (count: number) => Array.from({ length: count }, (_, at) => info(0, at + 1, at + 1));
const signal = new AbortController().signal;

async function collect(prefetch: Prefetch): Promise<{ bytes: number; fill: number | undefined }> {
  let bytes = 0;
  let fill: number | undefined;
  for await (const chunk of prefetch.chunks()) {
    bytes += chunk.length;
    fill = chunk.every((byte) => byte === chunk[0]) && fill !== 0xee ? chunk[0] : 0xee;
  }
  return { bytes, fill };
}

describe('prefetch', () => {
  test('delivers the files in order and whole, with few streams open', async () => {
    const source = new Source(5, 100);
    const prefetch = new Prefetch(files(40), { open: source.opener, signal, streams: 3 });
    for (let at = 1; at <= 40; at++) expect(await collect(prefetch)).toEqual({ bytes: 500, fill: at });
    expect(source.mostOpen).toBe(3);
    expect(source.open).toBe(0);
    await prefetch.close();
  });

  test('reads no further ahead than the budget, and never stands still', async () => {
    const source = new Source(20, 100);
    const prefetch = new Prefetch(files(10), { open: source.opener, signal, streams: 4, budget: 500 });
    const random = randomFrom(4);
    let taken = 0;
    for (let at = 1; at <= 10; at++) {
      for await (const chunk of prefetch.chunks()) {
        taken += chunk.length;
        for (let turns = between(random, 0, 30); turns > 0; turns--) await new Promise(setImmediate);
        // One chunk per stream may come in while the others are told to wait.
        expect(source.delivered - taken).toBeLessThanOrEqual(500 + 4 * 100);
      }
    }
    expect(taken).toBe(10 * 2000);
    await prefetch.close();
  });

  test('a budget smaller than a chunk still gets everything through', async () => {
    const source = new Source(3, 1000);
    const prefetch = new Prefetch(files(3), { open: source.opener, signal, budget: 1 });
    for (let at = 1; at <= 3; at++) expect(await collect(prefetch)).toEqual({ bytes: 3000, fill: at });
    await prefetch.close();
  });

  test('a failure shows at the file it belongs to, and closing releases the others', async () => {
    const source = new Source(5, 100);
    const open = (file: FileInfo) => (file.maxTXID === 2n ? Promise.reject(new Error('gone')) : source.opener(file));
    const prefetch = new Prefetch(files(6), { open, signal });
    expect(await collect(prefetch)).toEqual({ bytes: 500, fill: 1 });
    await expect(collect(prefetch)).rejects.toThrow('gone');
    await prefetch.close();
    expect(source.open).toBe(0);
  });

  test('an abort ends waiting with its reason', async () => {
    const abort = new AbortController();
    const open = (_file: FileInfo, opened: AbortSignal) =>
      new Promise<OpenedObject>((_resolve, reject) => opened.addEventListener('abort', () => reject(opened.reason)));
    const prefetch = new Prefetch(files(2), { open, signal: abort.signal });
    const waiting = collect(prefetch);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await prefetch.close();
  });
});
