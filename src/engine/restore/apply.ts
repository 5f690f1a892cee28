/** Turns the files of a plan into the pages of a database, newest file first, each read once and verified to its end (decision 7). */

import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../../formats/kernel/kernel.ts';
import { LTXDecoder, type PageBatch } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { describeFile, type FileInfo } from '../../replica/file-info.ts';
import type { PageSink } from './page-sink.ts';
import { Prefetch } from './prefetch.ts';
import type { RestoreSource } from './source.ts';
import type { Stopwatch } from './time-shares.ts';

/** Longest stretch of work between two looks at the event loop, where bytes and cancellation arrive; ms. */
const SLICE_MS = 20;

export interface ApplyTools {
  readonly source: RestoreSource;
  readonly writer: PageSink;
  readonly kernel: Kernel;
  readonly stopwatch: Stopwatch;
  readonly signal: AbortSignal;
  /** Read and verify also the files none of whose pages can be wanted any more. */
  readonly readAll: boolean;
  /** Before what was wrong with a file is thrown. */
  readonly onFailed?: (file: FileInfo) => void;
  /** After each piece, with its bytes. */
  readonly onBytes: (bytes: number) => void;
  /** After the newest file was verified: the size of the result is known for certain. */
  readonly onSize: () => void;
}

export interface Applied {
  readonly filesRead: number;
  readonly bytesRead: number;
}

/** Applies `files` (oldest first, as planned), newest first. The writer then holds every page they can give. */
export async function applyFiles(files: readonly FileInfo[], tools: ApplyTools): Promise<Applied> {
  const { source, signal, writer } = tools;
  const order = [...files].reverse();
  const prefetch = new Prefetch(
    order.filter((file) => source.localPath?.(file) === undefined),
    { open: (file, opened) => source.open(file, { signal: opened, transient: true }), signal },
  );
  let filesRead = 0;
  let bytesRead = 0;
  try {
    for (const file of order) {
      signal.throwIfAborted();
      if (writer.complete && !tools.readAll) break;
      bytesRead += await applyFile(file, prefetch, tools);
      if (filesRead++ === 0) tools.onSize();
    }
  } finally {
    await prefetch.close();
  }
  return { filesRead, bytesRead };
}

async function applyFile(file: FileInfo, prefetch: Prefetch, tools: ApplyTools): Promise<number> {
  try {
    return await readFile(file, prefetch, tools);
  } catch (error) {
    tools.onFailed?.(file);
    throw error;
  }
}

async function readFile(file: FileInfo, prefetch: Prefetch, tools: ApplyTools): Promise<number> {
  const { writer, kernel } = tools;
  const name = describeFile(file);
  // Then the file has only to be whole: it may have another page size, from before all pages were written anew.
  const isOnlyVerified = writer.complete;
  const onHeader = (header: LTXHeader) => {
    checkRange(header, file, name);
    if (!isOnlyVerified) writer.beginFile(header, name);
  };
  const onBatch = (batch: PageBatch) => {
    if (!isOnlyVerified) writer.write(batch);
  };
  using decoder = new LTXDecoder(onBatch, { onHeader, name, kernel });
  const path = tools.source.localPath?.(file);
  const size = path === undefined ? await streamInto(decoder, prefetch, tools) : await readInto(decoder, path, name, tools);
  tools.stopwatch.measure('decode', () => decoder.end());
  return size;
}

/** The name says which transactions a file holds; a renamed or misplaced file must not stand in for another. */
function checkRange(header: LTXHeader, file: FileInfo, name: string): void {
  if (header.minTXID === file.minTXID && header.maxTXID === file.maxTXID) return;
  throw new LitestreamError('LTX_INVALID', `restoring: the header of ${name} is that of another range of transactions`, {
    hint: 'The file was renamed or overwritten at the destination; restore a state whose chain does not need it.',
  });
}

async function streamInto(decoder: LTXDecoder, prefetch: Prefetch, tools: ApplyTools): Promise<number> {
  const { stopwatch, onBytes } = tools;
  const chunks = prefetch.chunks();
  const pause = pauses(tools);
  let size = 0;
  while (true) {
    const { value: chunk, done } = await stopwatch.measureAsync('read', () => chunks.next());
    if (done || chunk === undefined) return size;
    stopwatch.measure('decode', () => decoder.push(chunk));
    size += chunk.length;
    onBytes(chunk.length);
    await pause();
  }
}

async function readInto(decoder: LTXDecoder, path: string, name: string, tools: ApplyTools): Promise<number> {
  const { stopwatch, onBytes } = tools;
  const pause = pauses(tools);
  const fd = openLocal(path, name);
  try {
    let size = 0;
    while (true) {
      const count = stopwatch.measure('read', () => readLocal(fd, decoder.window(), name));
      if (count === 0) return size;
      stopwatch.measure('decode', () => decoder.fill(count));
      size += count;
      onBytes(count);
      await pause();
    }
  } finally {
    closeSync(fd);
  }
}

/** To be called after each piece: lets events in when it is time, and throws the signal's reason after an abort. */
function pauses({ stopwatch, signal }: ApplyTools): () => Promise<void> {
  let due = stopwatch.now() + SLICE_MS;
  return async () => {
    if (stopwatch.now() >= due) {
      await yieldToEvents();
      due = stopwatch.now() + SLICE_MS;
    }
    signal.throwIfAborted();
  };
}

function readLocal(fd: number, window: Uint8Array, name: string): number {
  try {
    return readSync(fd, window);
  } catch (cause) {
    throw new LitestreamError('STORAGE_UNAVAILABLE', `restoring: ${name} cannot be read`, { cause });
  }
}

function openLocal(path: string, name: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new LitestreamError('OBJECT_NOT_FOUND', `restoring: ${name} is gone from the replica`, { cause });
    if (code === 'EACCES' || code === 'EPERM') throw new LitestreamError('ACCESS_DENIED', `restoring: ${name} cannot be read`, { cause });
    throw new LitestreamError('STORAGE_UNAVAILABLE', `restoring: ${name} cannot be opened`, { cause });
  }
}
