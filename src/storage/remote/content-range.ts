/** What of an answer to a ranged request belongs to the range: some servers and proxies send the whole object. */

/** Where the bytes of an answer stand in the object. */
export interface ContentRange {
  readonly start: number;
  /** Of the whole object; undefined when not told. */
  readonly size: number | undefined;
}

/** Reads `bytes 5-9/20` and, as a failed request has it, `bytes *\/20`, whose start is the size. */
export function parseContentRange(header: string | null | undefined): ContentRange | undefined {
  const parts = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(header?.trim() ?? '');
  if (parts === null) return undefined;
  const size = parts[2] === '*' ? undefined : Number(parts[2]);
  const start = parts[1] === undefined ? size : Number(parts[1]);
  return start === undefined ? undefined : { start, size };
}

/** Passes on `length` bytes of `chunks` after the first `skip` ones, and ends the source as soon as it has them. */
export async function* cut(chunks: AsyncIterable<Uint8Array>, skip: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  let toSkip = skip;
  let left = length;
  if (left <= 0) return;
  for await (const chunk of chunks) {
    const from = Math.min(toSkip, chunk.byteLength);
    toSkip -= from;
    const wanted = chunk.subarray(from, from + left);
    left -= wanted.byteLength;
    if (wanted.byteLength > 0) yield wanted;
    if (left === 0) return;
  }
}
