/** Reads the files of a replica whole and tells which of them are damaged (docs/engine.md, Several replicas). A job: it blocks its thread. */

import { type ErrorCode, errorToData, hasCode, LitestreamError } from '../../base/errors.ts';
import { LTXDecoder } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { threadKernel } from '../../formats/ltx/thread-kernel.ts';
import { describeFile, type FileInfo, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { listCatalogue } from '../restore/catalogue.ts';
import { Prefetch } from '../restore/prefetch.ts';
import type { OnRestoreProgress } from '../restore/progress.ts';
import type { RestoreSource } from '../restore/source.ts';

/** Plain data: may cross a thread. */
export interface InspectRequest {
  /** Absolute directory that exists; nothing is written there. */
  readonly scratch: string;
  readonly token?: string;
}

export interface DamagedFile {
  readonly file: FileInfo;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Plain data: may cross a thread. */
export interface InspectResult {
  /** Everything the replica listed. */
  readonly files: readonly FileInfo[];
  readonly damaged: readonly DamagedFile[];
  readonly bytesRead: number;
}

export interface InspectTools {
  readonly source: RestoreSource;
  readonly signal: AbortSignal;
  readonly onProgress?: OnRestoreProgress;
}

/** What says that the bytes are wrong, as opposed to out of reach. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['LTX_INVALID', 'LTX_CHECKSUM_MISMATCH', 'LTX_TRUNCATED']);

/** Checks every file to its end. Rejects only when the replica cannot be read; a file that has gone meanwhile is left out. */
export async function inspectReplica(_request: InspectRequest, { source, signal, onProgress }: InspectTools): Promise<InspectResult> {
  const files = await listCatalogue(source, { signal });
  const bytesTotal = files.reduce((sum, { size }) => sum + size, 0);
  const damaged: DamagedFile[] = [];
  const gone = new Set<FileInfo>();
  let bytesRead = 0;
  for (const [index, file] of files.entries()) {
    const prefetch = new Prefetch([file], { open: (one, opened) => source.open(one, { signal: opened, transient: true }), signal });
    try {
      await checkFile(file, prefetch.chunks(), (bytes) => {
        bytesRead += bytes;
        onProgress?.({ phase: 'fetch', bytesRead, bytesTotal, pagesWritten: index, pagesTotal: files.length });
      });
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = errorToData(error);
      if (hasCode(error, 'OBJECT_NOT_FOUND')) gone.add(file);
      else if (DAMAGE.has(code)) damaged.push({ file, code, message });
      else throw error;
    } finally {
      await prefetch.close();
    }
  }
  return { files: files.filter((file) => !gone.has(file)), damaged, bytesRead };
}

/** Reads a file to its end and verifies it: LTX_INVALID, LTX_CHECKSUM_MISMATCH or LTX_TRUNCATED when it is not whole or not what its name says. */
export async function checkFile(file: FileInfo, chunks: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): Promise<LTXHeader> {
  const name = describeFile(file);
  if (file.size < MIN_FILE_SIZE) throw new LitestreamError('LTX_TRUNCATED', `${name} is only ${file.size} bytes long`);
  let header: LTXHeader | undefined;
  const onHeader = (found: LTXHeader): void => {
    if (found.minTXID !== file.minTXID || found.maxTXID !== file.maxTXID)
      throw new LitestreamError('LTX_INVALID', `the header of ${name} is that of another range of transactions`);
    header = found;
  };
  using decoder = new LTXDecoder(() => {}, { onHeader, name, kernel: threadKernel() });
  for await (const chunk of chunks) {
    decoder.push(chunk);
    onBytes(chunk.length);
  }
  decoder.end();
  if (header === undefined) throw new LitestreamError('LTX_TRUNCATED', `${name} has no header`);
  return header;
}
