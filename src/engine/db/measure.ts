/** How large a live database and its WAL are now, for status and metrics. Sizes in bytes. */

import { statSync } from 'node:fs';
import { NO_TXID } from '../../formats/ltx/txid.ts';
import type { Capture } from './capture.ts';
import { cursorEnd } from './cursor.ts';
import type { Session } from './session.ts';

/** Size of the file, and the end of what is captured of the WAL; 0 while nothing is open. */
export function sizesOf(session: Session | undefined): { readonly dbSize: number; readonly walOffset: number } {
  const cursor = session?.capture.cursor;
  return { dbSize: session?.db.file.size ?? 0, walOffset: cursor === undefined ? 0 : cursorEnd(cursor) };
}

/** Bytes of the WAL file, 0 without one. */
export function walBytes(session: Session | undefined): number {
  return session === undefined ? 0 : (statSync(`${session.db.path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
}

/** What a status says of position and sizes. */
export function measure(session: Session | undefined) {
  if (session === undefined) return { txid: NO_TXID, dbSize: 0, walSize: 0, pendingWALBytes: 0 };
  const { capture, db } = session;
  const { cursor } = capture;
  return {
    txid: cursor?.txid ?? NO_TXID,
    ...(cursor === undefined ? {} : { txidAt: cursor.timestamp }),
    pageSize: db.pageSize,
    dbSize: db.file.size,
    ...measureWAL(capture),
  };
}

/** A status is given also while the WAL cannot be read: its state then says why. */
function measureWAL(capture: Capture): { readonly walSize: number; readonly pendingWALBytes: number } {
  try {
    const view = capture.observe();
    const pendingWALBytes = capture.isOnlyBumpPending(view) ? 0 : capture.pendingBytes(view);
    return { walSize: view.header === undefined ? 0 : view.end, pendingWALBytes };
  } catch {
    return { walSize: 0, pendingWALBytes: 0 };
  }
}
