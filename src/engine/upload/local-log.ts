/** The local level-0 directory as an uploader sees it: files to send, in order, and old ones to remove. */

import { open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { formatLTXName, parseLTXName } from '../../formats/ltx/filename.ts';
import { decodeHeader, LTX_HEADER_SIZE } from '../../formats/ltx/header.ts';
import { LTX_TRAILER_SIZE } from '../../formats/ltx/trailer.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { bytesBody } from '../../storage/body.ts';
import type { BodyUse, PutBody } from '../../storage/object-store.ts';
import { naming, verifiedChunks, verifyBytes } from './verified.ts';

export interface LocalFile {
  readonly txid: TXID;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch: when the change was captured. */
  readonly at: number;
}

/** A local file that has been looked into and is ready to be sent. */
export interface OutgoingFile {
  readonly body: PutBody;
  /** Time in its header, ms since the epoch. */
  readonly timestamp: number;
  readonly pageSize: number;
}

/** Retention of local files: confirmed everywhere and older than this, ms. */
export const LOCAL_RETENTION_MS = 5 * 60_000;

/** Files up to this size, in bytes, are read once and sent from memory. */
const IN_MEMORY_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const STAT_BATCH = 64;

export class LocalLog {
  readonly directory: string;

  /** @param directory absolute path of the level-0 directory. */
  constructor(directory: string) {
    this.directory = directory;
  }

  path(txid: TXID): string {
    return join(this.directory, formatLTXName({ minTXID: txid, maxTXID: txid }));
  }

  /** Finished files by TXID; none when the directory does not exist yet. */
  async list(): Promise<LocalFile[]> {
    const txids = await this.#txids();
    const files: LocalFile[] = [];
    for (let at = 0; at < txids.length; at += STAT_BATCH) {
      const looked = await Promise.all(txids.slice(at, at + STAT_BATCH).map((txid) => this.#look(txid)));
      for (const file of looked) if (file !== undefined) files.push(file);
    }
    return files;
  }

  /** Opens a file for sending. LTX_MISSING when it is not there, LTX_INVALID and the like when it is damaged or not the file its name says: a large one while it is sent. */
  async take(txid: TXID): Promise<OutgoingFile> {
    const path = this.path(txid);
    const handle = await open(path, 'r').catch((error: unknown) => {
      throw localError(error, txid, path);
    });
    try {
      const { size } = await handle.stat();
      const bytes = Buffer.allocUnsafe(size <= IN_MEMORY_BYTES ? size : LTX_HEADER_SIZE);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      const header = naming(path, () => decodeHeader(bytes.subarray(0, bytesRead)));
      if (header.minTXID !== txid || header.maxTXID !== txid) throw misnamed(path, header.minTXID, header.maxTXID);
      if (bytesRead === size) verifyBytes(bytes, path);
      const body =
        bytesRead === size ? bytesBody(bytes) : { size, open: (use?: BodyUse) => verifiedChunks(fileChunks(path, txid, use), path) };
      return { body: { ...body, path }, timestamp: header.timestamp, pageSize: header.pageSize };
    } finally {
      await handle.close();
    }
  }

  /** Size and last 16 bytes of a file: what tells it from another of the same name. LTX_MISSING when it is not there. */
  async fingerprint(txid: TXID): Promise<{ readonly size: number; readonly trailer: Uint8Array }> {
    const path = this.path(txid);
    return fingerprintFile(path).catch((error: unknown) => {
      throw localError(error, txid, path);
    });
  }

  /**
   * Removes files that every replica has and that are older than the retention. The newest always stays, because it is the local position,
   * and so does the one at `confirmed`: it shows after a restart that the files behind it continue what the replica holds.
   *
   * @param confirmed smallest position of all replicas.
   * @param now ms since the epoch.
   * @returns the number of files removed.
   */
  async prune(confirmed: TXID, now: number, retentionMs = LOCAL_RETENTION_MS): Promise<number> {
    const files = await this.list();
    const doomed = files.slice(0, -1).filter((file) => file.txid < confirmed && now - file.at > retentionMs);
    await this.remove(doomed);
    return doomed.length;
  }

  /** Removes files; missing ones count as removed. */
  async remove(files: readonly LocalFile[]): Promise<void> {
    for (const { txid } of files) {
      const path = this.path(txid);
      await unlink(path).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw localError(error, txid, path);
      });
    }
  }

  async #txids(): Promise<TXID[]> {
    try {
      const txids: TXID[] = [];
      for (const name of await readdir(this.directory)) {
        const range = parseLTXName(name);
        if (range !== undefined && range.minTXID === range.maxTXID) txids.push(range.minTXID);
      }
      return txids.sort((a, b) => (a < b ? -1 : 1));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw new LitestreamError(localCode(error), `cannot list the local LTX files in ${this.directory}`, { cause: error });
    }
  }

  async #look(txid: TXID): Promise<LocalFile | undefined> {
    const path = this.path(txid);
    try {
      const { size, mtimeMs } = await stat(path);
      return { txid, size, at: Math.round(mtimeMs) };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw localError(error, txid, path);
    }
  }
}

/** Size and last 16 bytes of a file; rejects as the file system does. */
export async function fingerprintFile(path: string): Promise<{ readonly size: number; readonly trailer: Uint8Array }> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const trailer = Buffer.alloc(LTX_TRAILER_SIZE);
    const { bytesRead } = await handle.read(trailer, 0, trailer.length, Math.max(0, size - LTX_TRAILER_SIZE));
    return { size, trailer: trailer.subarray(0, bytesRead) };
  } finally {
    await handle.close();
  }
}

async function* fileChunks(path: string, txid: TXID, { transient = false }: BodyUse = {}): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw localError(error, txid, path);
  });
  // The check on the way holds one chunk back.
  const done: Buffer[] = [];
  try {
    for (;;) {
      const chunk = (done.length === 2 ? done.shift() : undefined) ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
      if (transient) done.push(chunk);
    }
  } finally {
    await handle.close();
  }
}

/** What a missing local file means, wherever it is noticed. */
export const missingLocalFile = (txid: TXID, path: string, cause?: unknown): LitestreamError =>
  new LitestreamError('LTX_MISSING', `local file of TXID ${formatTXID(txid)} is missing: ${path}`, {
    cause,
    details: { txid: formatTXID(txid), path },
    hint: 'This replica needs a snapshot to go on; the files after it then follow.',
  });

function localError(error: unknown, txid: TXID, path: string): unknown {
  if (systemCode(error) === 'ENOENT') return missingLocalFile(txid, path, error);
  if (systemCode(error) === undefined) return error;
  return new LitestreamError(localCode(error), `cannot read local file ${path}`, { cause: error });
}

const misnamed = (path: string, min: TXID, max: TXID): LitestreamError =>
  new LitestreamError('LTX_INVALID', `local file ${path} holds TXIDs ${formatTXID(min)} to ${formatTXID(max)}`, { details: { path } });

const localCode = (error: unknown) => (['EACCES', 'EPERM'].includes(systemCode(error) ?? '') ? 'ACCESS_DENIED' : 'STORAGE_UNAVAILABLE');
