/** Puts a snapshot only where nobody else writes: its name collides with nothing, and the files of another process would continue it (docs/engine.md, Fencing and leases). */

import { hasCode } from '../base/errors.ts';
import type { Uploader } from '../engine/upload/uploader.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { Replica } from '../replica/replica.ts';

export interface PutSnapshot {
  readonly written: FileInfo;
  /** False when another file of its name was taken for it. */
  readonly isOurs: boolean;
}

export interface GuardedOptions {
  readonly replica: Replica;
  readonly uploader: Uploader;
  /** Last TXID of the snapshot. */
  readonly upTo: TXID;
  readonly signal: AbortSignal | undefined;
}

/**
 * Looks before and after `put`. SECOND_WRITER when somebody else has written behind what was confirmed there; the snapshot is taken back, and the uploads find it, too.
 */
export async function guarded({ replica, uploader, upTo, signal }: GuardedOptions, put: () => Promise<PutSnapshot>): Promise<PutSnapshot> {
  let done: PutSnapshot | undefined;
  try {
    const since = await uploader.expectAlone(upTo, { signal });
    done = await put();
    await uploader.expectAlone(upTo, { signal, since });
    return done;
  } catch (error) {
    if (hasCode(error, 'SECOND_WRITER')) {
      if (done?.isOurs === true) await replica.takeBack(done.written);
      uploader.retryNow();
    }
    throw error;
  }
}
