/** Names of version 0.3 under `generations/` (docs/formats/legacy.md). */

/** Where a file of version 0.3 belongs. */
export type LegacyName =
  | { readonly kind: 'snapshot'; readonly generation: string; readonly index: number }
  | { readonly kind: 'segment'; readonly generation: string; readonly index: number; readonly offset: number };

/** Folder of all generations below a replica. */
export const LEGACY_FOLDER = 'generations/';

const SNAPSHOT = /^([0-9a-f]{16})\/snapshots\/([0-9a-f]{8})\.snapshot\.lz4$/;
/** A WAL beyond 4 GiB has longer offsets (upstream issue 1442). */
const SEGMENT = /^([0-9a-f]{16})\/wal\/([0-9a-f]{8})_([0-9a-f]{8,16})\.wal\.lz4$/;

/** Indexes above 31 bits were never written. */
const MAX_INDEX = 0x7fff_ffff;

/** Reads a key relative to LEGACY_FOLDER; undefined when it is no name of version 0.3. */
export function parseLegacyName(key: string): LegacyName | undefined {
  const [, snapshotOf, snapshotIndex] = SNAPSHOT.exec(key) ?? [];
  if (snapshotOf !== undefined && snapshotIndex !== undefined) {
    const index = Number.parseInt(snapshotIndex, 16);
    return index > MAX_INDEX ? undefined : { kind: 'snapshot', generation: snapshotOf, index };
  }
  const [, segmentOf, segmentIndex, digits] = SEGMENT.exec(key) ?? [];
  if (segmentOf === undefined || segmentIndex === undefined || digits === undefined) return undefined;
  const [index, offset] = [Number.parseInt(segmentIndex, 16), Number.parseInt(digits, 16)];
  if (index > MAX_INDEX || !Number.isSafeInteger(offset)) return undefined;
  return { kind: 'segment', generation: segmentOf, index, offset };
}

/** An index or an offset as the names have it: at least 8 hex digits. */
export const legacyHex = (value: number): string => value.toString(16).padStart(8, '0');

/** A WAL segment in the words of messages and of its name, such as `00000003_00001038`. */
export const segmentName = ({ index, offset }: { readonly index: number; readonly offset: number }): string =>
  `${legacyHex(index)}_${legacyHex(offset)}`;

/** True for what `-generation` takes to mean data of version 0.3. */
export const isLegacyGeneration = (text: string): boolean => /^[0-9a-f]{16}$/.test(text);
