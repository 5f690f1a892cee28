/** Whether two replicas tell one history: files of both may be put together only where that is proven (docs/engine.md, Several replicas; decision 50). */

import { decodeHeader, LTX_HEADER_SIZE } from '../../formats/ltx/header.ts';
import { LTX_TRAILER_SIZE } from '../../formats/ltx/trailer.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import { type FileInfo, fileKey } from '../../replica/file-info.ts';
import { readRemoteIndex } from '../../replica/pages.ts';
import { readAll } from '../../storage/body.ts';
import type { CallOptions, OpenOptions } from '../../storage/object-store.ts';
import type { RestoreSource } from './source.ts';

/** A source and what it lists. */
export interface Party {
  readonly source: RestoreSource;
  readonly files: readonly FileInfo[];
  /** True for files known to be damaged: of those the header alone may still tell what they once were. */
  readonly isDamaged?: (file: FileInfo) => boolean;
}

/**
 * True when both parties provably reach the same state at `txid`: they hold the same file that ends there (size and trailer), one goes on in
 * the WAL where the other one's file ends, or both hold the same
 * increment after it, merged or not, which was captured once, upon one state. False when they differ, and when nothing can be compared.
 * Costs two reads of 16 bytes as a rule. What cannot be read proves nothing.
 */
export async function agreeAt(a: Party, b: Party, txid: TXID, signal: AbortSignal): Promise<boolean> {
  if (txid === 0n) return true;
  for (const [mine, theirs] of common(a, b, (file) => file.maxTXID === txid)) {
    if (await isSame(a, mine, b, theirs, signal)) return true;
  }
  const isNext = ({ minTXID }: FileInfo) => minTXID === txid + 1n;
  for (const [mine, theirs] of common(a, b, isNext)) {
    if ((await isSame(a, mine, b, theirs, signal)) && (await isIncrement(b.source, theirs, signal))) return true;
  }
  return (await continues(a, b, txid, signal)) || continues(b, a, txid, signal);
}

/** True when a level-0 file after `txid` there was captured from where one that ends here stopped in the same WAL: its salts are random. */
async function continues(here: Party, there: Party, txid: TXID, signal: AbortSignal): Promise<boolean> {
  const last = here.files.find(({ level, maxTXID }) => level === 0 && maxTXID === txid);
  const next = there.files.find(({ level, minTXID }) => level === 0 && minTXID === txid + 1n);
  if (last === undefined || next === undefined) return false;
  try {
    const part = { fromStart: LTX_HEADER_SIZE, signal };
    const [before, after] = (await Promise.all([readPart(here.source, last, part), readPart(there.source, next, part)])).map(decodeHeader);
    if (before === undefined || after === undefined || before.walSalt1 === 0) return false;
    const isSameWAL = before.walSalt1 === after.walSalt1 && before.walSalt2 === after.walSalt2;
    return isSameWAL && after.walSize > 0 && before.walOffset + before.walSize === after.walOffset;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

function common(a: Party, b: Party, wanted: (file: FileInfo) => boolean): (readonly [FileInfo, FileInfo])[] {
  const theirs = new Map(b.files.filter(wanted).map((file) => [fileKey(file), file]));
  return a.files.filter(wanted).flatMap((mine) => {
    const other = theirs.get(fileKey(mine));
    return other === undefined ? [] : [[mine, other] as const];
  });
}

async function isSame(a: Party, mine: FileInfo, b: Party, theirs: FileInfo, signal: AbortSignal): Promise<boolean> {
  const isDamaged = a.isDamaged?.(mine) === true || b.isDamaged?.(theirs) === true;
  try {
    const [ours, other] = await Promise.all([a.source.contentSize(mine, { signal }), b.source.contentSize(theirs, { signal })]);
    if (ours === other && (await isSamePart(a, mine, b, theirs, { fromEnd: LTX_TRAILER_SIZE, signal }))) return true;
    // The header holds the time to the millisecond and the salts of the WAL it was captured from.
    return isDamaged && (await isSamePart(a, mine, b, theirs, { fromStart: LTX_HEADER_SIZE, signal }));
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

interface Part {
  /** Bytes. */
  readonly fromStart?: number;
  readonly fromEnd?: number;
  readonly signal: AbortSignal;
}

async function isSamePart(a: Party, mine: FileInfo, b: Party, theirs: FileInfo, part: Part): Promise<boolean> {
  const [ours, other] = await Promise.all([readPart(a.source, mine, part), readPart(b.source, theirs, part)]);
  const length = part.fromStart ?? part.fromEnd ?? 0;
  return ours.length === length && Buffer.compare(ours, other) === 0;
}

async function readPart(source: RestoreSource, file: FileInfo, { fromStart, fromEnd = 0, signal }: Part): Promise<Uint8Array> {
  const offset = fromStart === undefined ? Math.max(0, (await source.contentSize(file, { signal })) - fromEnd) : 0;
  return readAll(await source.open(file, { offset, length: fromStart ?? fromEnd, signal }));
}

/** A file with every page may follow any state. */
async function isIncrement(source: RestoreSource, file: FileInfo, signal: AbortSignal): Promise<boolean> {
  try {
    const reader = {
      read: async (of: FileInfo, options: OpenOptions = {}) => readAll(await source.open(of, options)),
      contentSize: (of: FileInfo, options?: CallOptions) => source.contentSize(of, options),
    };
    const { header, entries } = await readRemoteIndex(reader, file, { signal });
    let pages = 0;
    for (const _ of entries()) pages += 1;
    return pages < header.commit - (lockPage(header.pageSize) <= header.commit ? 1 : 0);
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
