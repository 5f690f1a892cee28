/** Merges LTX files of neighbouring TXID ranges into one: the page loop of compaction (docs/formats/ltx.md, Merge). */

import { closeSync, openSync, readSync } from 'node:fs';
import { LitestreamError } from '../../base/errors.ts';
import { type ChunkSink, type EncodedLTX, LTXEncoder, type LTXEncoderOptions } from './encoder.ts';
import { compareRanges, isContiguous } from './filename.ts';
import { describeRange, type LTXHeaderInit } from './header.ts';
import { MergeInput, type MergeSource } from './merge-input.ts';
import { threadKernel } from './thread-kernel.ts';
import type { TXID } from './txid.ts';

export type { MergeSource } from './merge-input.ts';

/** Input space of all files together; each gets its share, between a page and 1 MiB. */
const TOTAL_WINDOW = 8 * 1024 * 1024;
const LARGEST_WINDOW = 1024 * 1024;

export interface MergeOptions extends Omit<LTXEncoderOptions, 'required'> {
  /** First TXID of the output, where the first file holds every page; default: that of the first file. With 1 every page has to come. */
  readonly minTXID?: TXID;
  /** Called after every megabyte or so with the bytes read so far; what it throws ends the merge (cancellation). */
  readonly onProgress?: (bytesRead: number) => void;
}

/** Merges local files, given in any order; all are open at the same time. Otherwise as `mergeLTX`. */
export function mergeLTXFiles(paths: readonly string[], sink: ChunkSink, options: MergeOptions = {}): EncodedLTX {
  const open: number[] = [];
  try {
    const sources = paths.map((path) => {
      const fd = openSync(path, 'r');
      open.push(fd);
      return { name: path, read: (into: Uint8Array) => readSync(fd, into) };
    });
    return mergeLTX(sources, sink, options);
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/**
 * Merges files, given in any order, into `sink`: of each page the version of the last file that has it, up to the last file's commit; its time is the last file's.
 *
 * Every input is verified whole, so nothing may be published if this throws: LTX_GAP when the ranges leave one, LTX_INVALID when a file brings nothing
 * new or has another page size, PAGE_MISSING when a merge from TXID 1 lacks a page, and what decoding throws.
 */
export function mergeLTX(sources: readonly MergeSource[], sink: ChunkSink, options: MergeOptions = {}): EncodedLTX {
  const inputs: MergeInput[] = [];
  // One kernel for all: pages go from file to file inside its memory.
  const kernel = options.kernel ?? threadKernel();
  const windowBytes = Math.min(LARGEST_WINDOW, Math.floor(TOTAL_WINDOW / Math.max(1, sources.length)));
  try {
    for (const source of sources) inputs.push(new MergeInput(source, { windowBytes, kernel }));
    inputs.sort((a, b) => compareRanges(a.header, b.header));
    using encoder = new LTXEncoder(sink, mergedHeader(inputs, options), { ...options, kernel });
    mergePages(inputs, encoder, options);
    for (const input of inputs) input.end();
    return encoder.finish();
  } finally {
    for (const input of inputs) input[Symbol.dispose]();
  }
}

/** The header of the merge of files in order. LTX_GAP, LTX_INVALID when they cannot be merged. */
function mergedHeader(inputs: readonly MergeInput[], options: MergeOptions): LTXHeaderInit {
  const [first, last] = [inputs[0], inputs.at(-1)];
  if (first === undefined || last === undefined) throw new LitestreamError('INTERNAL', 'merging LTX files: there are none');
  let previous: MergeInput | undefined;
  for (const input of inputs) {
    if (previous !== undefined) expectNeighbours(previous, input);
    previous = input;
  }
  const { pageSize } = first.header;
  const { minTXID = first.header.minTXID } = options;
  const { commit, maxTXID, timestamp } = last.header;
  return { pageSize, commit, minTXID, maxTXID, timestamp };
}

function expectNeighbours(a: MergeInput, b: MergeInput): void {
  const names = `merging LTX files: ${b.name} (${describeRange(b.header)}) after ${a.name} (${describeRange(a.header)})`;
  if (a.header.pageSize !== b.header.pageSize) {
    throw new LitestreamError('LTX_INVALID', `${names}: their page sizes are ${a.header.pageSize} and ${b.header.pageSize}`);
  }
  if (isContiguous(a.header.maxTXID, b.header)) return;
  if (b.header.minTXID > a.header.maxTXID) throw new LitestreamError('LTX_GAP', `${names}: transactions between them are missing`);
  throw new LitestreamError('LTX_INVALID', `${names}: it holds nothing newer`);
}

/** Run by run: the smallest page that an input is at, from the last input that is at it. */
function mergePages(inputs: readonly MergeInput[], encoder: LTXEncoder, options: MergeOptions): void {
  const { onProgress = () => {}, pageForm = 'block' } = options;
  const { commit } = encoder.header;
  const takeStored = pageForm === 'block';
  for (const input of inputs) input.load();
  let pages = 0;
  while (true) {
    const next = nextRun(inputs);
    if (next === undefined) break;
    const run = next.winner.run(next.limit, encoder.maxRun);
    const count = next.pgno > commit ? run : writeRun(next, Math.min(run, commit - next.pgno + 1), encoder, takeStored);
    next.winner.skip(count);
    for (const input of inputs) if (input !== next.winner && input.pgno === next.pgno) input.skip(1);
    pages += count;
    if (pages >= encoder.maxRun) {
      pages = 0;
      onProgress(inputs.reduce((sum, input) => sum + input.bytesRead, 0));
    }
  }
}

/** Writes up to `most` pages of a run, taking over the frames of those that need not be compressed again; returns how many. */
function writeRun({ pgno, winner }: Run, most: number, encoder: LTXEncoder, takeStored: boolean): number {
  const stored = takeStored ? winner.stored(most) : undefined;
  if (stored !== undefined && stored.frameLengths.length > 0) {
    encoder.writeStored(pgno, stored);
    return stored.frameLengths.length;
  }
  const count = takeStored ? 1 : most;
  encoder.writePages(pgno, count, (into) => winner.copy(count, into));
  return count;
}

interface Run {
  /** Its first page. */
  readonly pgno: number;
  readonly winner: MergeInput;
  /** The first page that is not the winner's alone. */
  readonly limit: number;
}

function nextRun(inputs: readonly MergeInput[]): Run | undefined {
  let winner: MergeInput | undefined;
  let pgno = Number.POSITIVE_INFINITY;
  for (const input of inputs) {
    if (input.pgno > pgno || input.pgno === Number.POSITIVE_INFINITY) continue;
    pgno = input.pgno;
    winner = input;
  }
  if (winner === undefined) return undefined;
  let limit = Number.POSITIVE_INFINITY;
  for (const input of inputs) if (input !== winner && input.pgno > pgno && input.pgno < limit) limit = input.pgno;
  // An older input at the same page may have the next one too, which the winner overrides only page by page.
  for (const input of inputs) if (input !== winner && input.pgno === pgno) limit = Math.min(limit, pgno + 1);
  return { pgno, winner, limit };
}
