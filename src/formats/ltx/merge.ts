/** Merges LTX files of neighbouring TXID ranges into one: the page loop of compaction (format.md §12). */

import type { ChunkSink, EncodedLTX, LTXEncoderOptions } from './encoder.ts';

export interface MergeOptions extends LTXEncoderOptions {
  /** Called between batches with the bytes read so far; what it throws ends the merge (cancellation). */
  readonly onProgress?: (bytesRead: number) => void;
}

/** Merges local files, given in any order, into `sink`. Every input is verified whole; LTX_GAP when the ranges leave one. Nothing may be published if this throws. */
export function mergeLTXFiles(_paths: readonly string[], _sink: ChunkSink, _options: MergeOptions = {}): EncodedLTX {
  throw new Error('not written yet');
}
