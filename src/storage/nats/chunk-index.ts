/**
 * Finds the chunk in which an offset lies, without reading those before it.
 *
 * Chunks have no numbers, only places in the stream among everything else that is written to the bucket, and other writers may cut them
 * anyhow. If all are of one size the place is guessed from the end of the object and corrected by how many chunks the server counts from
 * there on; if not, the sizes of all are asked for once, without their content.
 */

import type { JetStream } from './jetstream.ts';
import { chunkSubject, type ObjectRecord } from './object-info.ts';
import { Pull } from './pull.ts';

/** Chunks before the wanted one that are rather read than avoided by another question. */
const CLOSE_ENOUGH = 4;
/** Objects whose shape is remembered. */
const REMEMBERED = 256;
/** Sizes asked for at once. */
const SIZES_BATCH = 500;

/** An object whose chunks are looked for. */
export interface ChunkedObject {
  readonly jetStream: JetStream;
  readonly bucket: string;
  readonly record: ObjectRecord;
  /** Sequence number of the record, which was stored after all chunks. */
  readonly sequence: number;
}

export interface ChunkPlace {
  /** Where in the stream to begin. */
  readonly sequence: number;
  /** Offset in the object of the first byte found there. */
  readonly offset: number;
  /** The chunk itself, when it was met on the way and holds all that follows. */
  readonly chunk?: Uint8Array;
}

/** All chunks of an object in order: where in the stream, and offset of the first byte. */
type ChunkMap = readonly { readonly sequence: number; readonly offset: number }[];

export class ChunkIndex {
  /** By the chunks' name: 'even', or the map of an object whose chunks differ in size. */
  readonly #shapes = new Map<string, 'even' | ChunkMap>();

  /** Says that all chunks but the last are of the size in the record. */
  noteEven(nuid: string): void {
    this.#remember(nuid, 'even');
  }

  async locate(source: ChunkedObject, offset: number, signal: AbortSignal | undefined): Promise<ChunkPlace> {
    const { record } = source;
    let shape = this.#shapes.get(record.nuid);
    if (shape === undefined) {
      const last = await source.jetStream.last(chunkSubject(source.bucket, record.nuid), signal);
      if (last !== undefined && offset >= record.size - last.data.byteLength)
        return { sequence: last.sequence, offset: record.size - last.data.byteLength, chunk: last.data };
      shape = isEven(source, last?.data.byteLength) ? 'even' : await mapOf(source, signal);
      this.#remember(record.nuid, shape);
    }
    if (shape === 'even') return locateEven(source, offset, signal);
    return shape.findLast((chunk) => chunk.offset <= offset) ?? { sequence: 1, offset: 0 };
  }

  #remember(nuid: string, shape: 'even' | ChunkMap): void {
    this.#shapes.delete(nuid);
    this.#shapes.set(nuid, shape);
    for (const oldest of this.#shapes.keys()) {
      if (this.#shapes.size <= REMEMBERED) return;
      this.#shapes.delete(oldest);
    }
  }
}

/** No chunk is larger than the size in the record: if the last one is as large as it has to be then, the others fill it. */
function isEven({ record: { size, chunks, chunkSize } }: ChunkedObject, lastBytes: number | undefined): boolean {
  return chunkSize !== undefined && lastBytes === size - (chunks - 1) * chunkSize && lastBytes <= chunkSize;
}

async function locateEven(source: ChunkedObject, offset: number, signal: AbortSignal | undefined): Promise<ChunkPlace> {
  const { jetStream, bucket, record, sequence } = source;
  const chunkSize = record.chunkSize ?? record.size;
  const wanted = Math.min(record.chunks - 1, Math.floor(offset / chunkSize));
  let low = { sequence: 1, index: 0 };
  // Each later chunk takes at least one place before the record, so that the wanted one cannot stand further on.
  let high = sequence - (record.chunks - wanted);
  let probe = high;
  for (let step = 1; wanted - low.index > CLOSE_ENOUGH && probe > low.sequence; ) {
    const index = record.chunks - (await countFrom(jetStream, chunkSubject(bucket, record.nuid), probe, signal));
    if (index <= wanted) {
      low = { sequence: probe, index };
      probe = Math.floor((low.sequence + high) / 2);
    } else {
      high = probe;
      step = Math.max(step * 2, index - wanted);
      probe = Math.max(Math.floor((low.sequence + high) / 2), high - step);
    }
  }
  return { sequence: low.sequence, offset: low.index * chunkSize };
}

/** How many chunks stand at `sequence` and after it: what a consumer that begins there would have to deliver. */
async function countFrom(jetStream: JetStream, filter: string, sequence: number, signal: AbortSignal | undefined): Promise<number> {
  const pull = new Pull(jetStream, { filter, deliver: { startSequence: sequence }, batch: 1 }, signal);
  try {
    return await pull.start();
  } finally {
    pull.close();
  }
}

async function mapOf({ jetStream, bucket, record }: ChunkedObject, signal: AbortSignal | undefined): Promise<ChunkMap> {
  const settings = { filter: chunkSubject(bucket, record.nuid), deliver: 'all', headersOnly: true, batch: SIZES_BATCH } as const;
  const pull = new Pull(jetStream, settings, signal);
  const map: { sequence: number; offset: number }[] = [];
  try {
    await pull.start();
    for (let offset = 0; ; ) {
      const message = await pull.next();
      if (message === undefined) return map;
      map.push({ sequence: message.sequence, offset });
      offset += message.size;
      if (message.pending === 0) return map;
    }
  } finally {
    pull.close();
  }
}
