/** The part of a merge that runs in a thread of its own: local files in, one durable local file out (decision 5). */

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { readLTXFileHeader, verifyLTXFile } from '../../formats/ltx/file.ts';
import { compareRanges } from '../../formats/ltx/filename.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { type MergeOptions, mergeLTXFiles } from '../../formats/ltx/merge.ts';
import { formatTXID, type TXID, toTXID } from '../../formats/ltx/txid.ts';
import { nodePublishFS } from '../db/publish-fs.ts';
import { StagedWriter } from '../db/staged-writer.ts';
import type { DatabaseSettings } from '../options.ts';

/** Plain data: may cross a thread. */
export interface MergeInputFile {
  /** Absolute path. */
  readonly path: string;
  /** What the file is to hold. */
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
}

/** Plain data: may cross a thread. */
export interface MergeRequest {
  /** In the order of their application. */
  readonly inputs: readonly MergeInputFile[];
  /** Absolute path of the file to be made, in a directory for it alone. */
  readonly output: string;
  readonly pageForm: DatabaseSettings['pageForm'];
  /** The result is a snapshot: what ends before the last change of page size is left out, and every page has to come. */
  readonly isSnapshot: boolean;
  readonly token?: string;
}

/** Plain data: may cross a thread. */
export interface MergeResult {
  /** How many inputs are in the output; the rest has another page size. */
  readonly merged: number;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch: that of the last input. */
  readonly timestamp: number;
  readonly pageSize: number;
}

/** Inputs that are open at a time. */
const FAN_IN = 256;
const FIRST = toTXID(1);

/**
 * Merges up to the first change of page size (of a snapshot: from the last one on), verifies every input, and makes the output durable.
 *
 * LTX_INVALID, LTX_CHECKSUM_MISMATCH, LTX_TRUNCATED with `details.input` for the damaged one; LTX_MISSING with `details.path` for one that is gone;
 * LTX_GAP, PAGE_MISSING when the inputs do not make a file; DISK_FULL and other errors of the disk.
 */
export async function mergeFiles(request: MergeRequest, { signal }: { readonly signal: AbortSignal }): Promise<MergeResult> {
  const { inputs, output, isSnapshot } = request;
  // One look at the loop, so that a cancellation that came first is seen.
  await access(dirname(output), constants.W_OK);
  signal.throwIfAborted();
  try {
    const headers = inputs.map(readHeader);
    const [from, to] = isSnapshot ? [lastChange(headers), headers.length] : [0, firstChange(headers)];
    const chosen = inputs.slice(from, to);
    const paths = shorten(chosen, request, signal);
    const encoded = blaming(chosen, () => mergeTo(paths, output, request, isSnapshot ? { minTXID: FIRST } : {}, signal));
    nodePublishFS.syncDirectory(dirname(output));
    const { minTXID, maxTXID, timestamp, pageSize } = encoded.header;
    return { merged: chosen.length, minTXID, maxTXID, size: encoded.size, timestamp, pageSize };
  } catch (error) {
    throw vanished(error, inputs);
  }
}

/** An input that is gone by now says so; that it is damaged is another matter. */
function vanished(error: unknown, inputs: readonly MergeInputFile[]): unknown {
  const { code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const input = code === 'ENOENT' ? inputs.find((one) => one.path === path) : undefined;
  if (input === undefined) return error;
  return new LitestreamError('LTX_MISSING', `merging: ${input.path} has gone meanwhile`, { cause: error, details: { path: input.path } });
}

/** A long chain is merged in parts first, all but its base, which is the largest. */
function shorten(inputs: readonly MergeInputFile[], request: MergeRequest, signal: AbortSignal): string[] {
  const paths = inputs.map(({ path }) => path);
  const [base, ...rest] = paths;
  if (base === undefined || paths.length <= FAN_IN) return paths;
  const parts: string[] = [];
  for (let at = 0; at < rest.length; at += FAN_IN) {
    const part = `${request.output}.${parts.length}`;
    mergeTo(rest.slice(at, at + FAN_IN), part, request, {}, signal);
    parts.push(part);
  }
  return shortenParts([base, ...parts], request, signal);
}

/** 256 parts of 256 files: more than one snapshot interval of one-second files has. */
function shortenParts(paths: string[], { output }: MergeRequest, signal: AbortSignal): string[] {
  signal.throwIfAborted();
  if (paths.length <= FAN_IN) return paths;
  throw new LitestreamError('TOO_LARGE', `merging into ${output}: the chain has more than ${FAN_IN * FAN_IN} files`, {
    hint: 'Let the lower levels be merged first, or open the database: its own snapshot needs no chain.',
  });
}

function mergeTo(
  paths: readonly string[],
  output: string,
  { pageForm }: MergeRequest,
  range: Pick<MergeOptions, 'minTXID'>,
  signal: AbortSignal,
) {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const staged = new StagedWriter(nodePublishFS, output, { mode: 0o600, uid, gid });
  try {
    const encoded = mergeLTXFiles(paths, (chunk) => staged.write(chunk), { pageForm, ...range, onProgress: () => signal.throwIfAborted() });
    staged.publish();
    return encoded;
  } catch (error) {
    staged.discard();
    throw error;
  }
}

/** The name says which transactions a file holds; a misplaced one must not stand in for another. */
function readHeader(input: MergeInputFile, index: number): LTXHeader {
  return blamed(input, index, () => {
    const header = readLTXFileHeader(input.path);
    if (compareRanges(header, input) === 0) return header;
    throw new LitestreamError(
      'LTX_INVALID',
      `${input.path} holds TXIDs ${formatTXID(header.minTXID)} to ${formatTXID(header.maxTXID)}, its name says otherwise`,
    );
  });
}

const firstChange = (headers: readonly LTXHeader[]): number => {
  const at = headers.findIndex(({ pageSize }) => pageSize !== headers[0]?.pageSize);
  return at === -1 ? headers.length : at;
};

const lastChange = (headers: readonly LTXHeader[]): number =>
  headers.findLastIndex(({ pageSize }) => pageSize !== headers.at(-1)?.pageSize) + 1;

/** A merge that fails for the content of an input says which one it is. */
function blaming<T>(inputs: readonly MergeInputFile[], merge: () => T): T {
  try {
    return merge();
  } catch (error) {
    if (!isDamage(error)) throw error;
    for (const [index, input] of inputs.entries()) blamed(input, index, () => verifyLTXFile(input.path));
    throw error;
  }
}

function blamed<T>({ minTXID, maxTXID, path }: MergeInputFile, index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    throw new LitestreamError(error.code, `merging: ${error.message}`, {
      cause: error,
      details: { input: index, min_txid: formatTXID(minTXID), max_txid: formatTXID(maxTXID), path },
    });
  }
}

const isDamage = (error: unknown): error is LitestreamError =>
  hasCode(error, 'LTX_INVALID') || hasCode(error, 'LTX_CHECKSUM_MISMATCH') || hasCode(error, 'LTX_TRUNCATED');
