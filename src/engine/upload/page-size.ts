/** Notices that the files which go to a replica change their page size: nothing can be merged across that, so that it needs a snapshot at once. */

import { hasCode } from '../../base/errors.ts';
import { readLTXFileHeader } from '../../formats/ltx/file.ts';
import { decodeHeader, LTX_HEADER_SIZE } from '../../formats/ltx/header.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, LEVELS } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import type { LocalLog } from './local-log.ts';

export class PageSizes {
  readonly #replica: Replica;
  readonly #local: LocalLog;
  /** Of what was sent last. */
  #last: number | undefined;

  constructor(replica: Replica, local: LocalLog) {
    this.#replica = replica;
    this.#local = local;
  }

  /** The position was computed anew. */
  forget(): void {
    this.#last = undefined;
  }

  /**
   * A file of `pageSize` is to follow `position`. True when what is there has another. Asks the replica only where no local file tells: once for a new
   * machine.
   */
  async differs(pageSize: number, position: TXID, signal: AbortSignal): Promise<boolean> {
    const before = this.#last ?? (await this.#at(position, signal)) ?? pageSize;
    this.#last = pageSize;
    return before !== pageSize;
  }

  async #at(position: TXID, signal: AbortSignal): Promise<number | undefined> {
    if (position === NO_TXID) return undefined;
    try {
      return readLTXFileHeader(this.#local.path(position)).pageSize;
    } catch {
      return this.#there(position, signal); // gone or damaged: the replica has it
    }
  }

  async #there(position: TXID, signal: AbortSignal): Promise<number | undefined> {
    for (const level of LEVELS) {
      const newest: FileInfo | undefined = await this.#replica.newest(level, { signal });
      if (newest?.maxTXID !== position) continue;
      try {
        return decodeHeader(await this.#replica.read(newest, { length: LTX_HEADER_SIZE, signal })).pageSize;
      } catch (error) {
        if (hasCode(error, 'OBJECT_NOT_FOUND') || hasCode(error, 'LTX_INVALID') || hasCode(error, 'IDENTITY_REQUIRED')) return undefined; // said by whoever needs the file
        throw error;
      }
    }
    return undefined;
  }
}
