/** Brings the inputs of a merge to where a thread can read them: in place where they are local, else into a staging directory. */

import { createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { formatLTXName } from '../../formats/ltx/filename.ts';
import { describeFile, type FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { fileError } from '../db/publish-fs.ts';
import type { LocalLog } from '../upload/local-log.ts';
import type { MergeInputFile } from './merge-job.ts';

/** Files that are fetched at the same time. */
const PARALLEL = 8;

export interface InputTools {
  readonly replica: Replica;
  /** Local level-0 files; absent: everything comes from the replica. */
  readonly local?: LocalLog | undefined;
  /** For what has to be downloaded. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/**
 * Paths of `files`, in their order. A file of the local log is used when it is the very file that the replica has: created there by this process, or
 * of equal size and trailer.
 *
 * What opening and reading throw; OBJECT_NOT_FOUND for a file that is listed and not served; READ_TRUNCATED for one that is shorter or longer than listed.
 */
export async function bringInputs(files: readonly FileInfo[], tools: InputTools): Promise<MergeInputFile[]> {
  const places = new Semaphore(PARALLEL);
  const failed = new AbortController();
  const signal = AbortSignal.any([tools.signal, failed.signal]);
  const bring = async (file: FileInfo, input: number): Promise<MergeInputFile> => {
    try {
      return await places.run(async () => ({ ...rangeOf(file), path: await pathOf(file, { ...tools, signal }) }), signal);
    } catch (thrown) {
      const error = hasCode(thrown, 'IDENTITY_REQUIRED') ? unreadable(thrown, input) : thrown;
      failed.abort(error);
      throw error;
    }
  };
  const ends = await Promise.allSettled(files.map(bring));
  if (failed.signal.aborted) throw failed.signal.reason;
  return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
}

/** Says which one it is: whoever merges can do without it, as without a damaged one. */
const unreadable = (cause: LitestreamError, input: number): LitestreamError =>
  new LitestreamError('IDENTITY_REQUIRED', `merging: ${cause.message}`, {
    cause,
    details: { input },
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
  });

const rangeOf = ({ minTXID, maxTXID }: FileInfo) => ({ minTXID, maxTXID });

async function pathOf(file: FileInfo, tools: InputTools): Promise<string> {
  const { replica, local } = tools;
  return replica.localPath(file) ?? createdHere(file, replica, local) ?? (await localCopy(file, tools)) ?? (await download(file, tools));
}

/** One request less a file, of which most merges have many: nobody can have replaced what this process created. */
function createdHere(file: FileInfo, replica: Replica, local: LocalLog | undefined): string | undefined {
  const path = local?.path(file.maxTXID);
  return path !== undefined && replica.hasCreated(file) && existsSync(path) ? path : undefined;
}

/** The file in the local log that is this one, if there is one. OBJECT_NOT_FOUND when the replica does not serve it. */
export async function localCopy(file: FileInfo, { replica, local, signal }: InputTools): Promise<string | undefined> {
  if (local === undefined || file.level !== 0 || file.minTXID !== file.maxTXID) return undefined;
  try {
    const ours = await local.fingerprint(file.maxTXID);
    return (await replica.holds(file, ours, { signal })) === true ? local.path(file.maxTXID) : undefined;
  } catch (error) {
    if (hasCode(error, 'LTX_MISSING')) return undefined;
    throw error;
  }
}

async function download(file: FileInfo, { replica, directory, signal }: InputTools): Promise<string> {
  const path = join(directory, `${file.level}-${formatLTXName(file)}`);
  const opened = await replica.open(file, { signal });
  try {
    const sink = createWriteStream(path, { mode: 0o600, highWaterMark: 1024 * 1024 });
    sink.on('error', () => {}); // reported by the pipeline
    const size = await replica.contentSize(file, { signal });
    const source = Readable.from(countTo(file, size, opened.body), { objectMode: true, highWaterMark: 1 });
    await pipeline(source, sink, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error instanceof LitestreamError ? error : fileError(error, `staging ${describeFile(file)} in ${directory}`);
    });
    return path;
  } finally {
    await opened.close();
  }
}

async function* countTo(file: FileInfo, expected: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    yield chunk;
  }
  if (size === expected) return;
  throw new LitestreamError('READ_TRUNCATED', `reading ${describeFile(file)}: ${size} bytes came, ${expected} were expected`);
}
