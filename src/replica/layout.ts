/** Level and TXID range to key, in both layouts there have ever been (decision 4). */

import { posix } from 'node:path';
import { formatLTXName, type TXIDRange } from '../formats/ltx/filename.ts';
import type { Level } from './file-info.ts';

export interface Layout {
  /** Prefix of all keys of a level, ending in `/`. */
  levelPrefix(prefix: string, level: Level): string;
  /** What the prefixes of all levels begin with, ending in `/`; in the order of keys they follow each other from 0 to 9. */
  levelsPrefix(prefix: string): string;
  /** Key of an object beside the levels, where readers of LTX files never look. */
  auxKey(prefix: string, name: string): string;
}

/** `<prefix>/ltx/<level>/`, joined as paths are: file, SFTP, WebDAV, GCS, Azure, NATS. */
export const pathLayout: Layout = {
  levelPrefix: (prefix, level) => `${posix.join(prefix, 'ltx', String(level))}/`,
  levelsPrefix: (prefix) => `${posix.join(prefix, 'ltx')}/`,
  auxKey: (prefix, name) => posix.join(prefix, name),
};

/** `<prefix>/<four hex digits>/`, joined as text, so that an empty prefix gives a key that begins with `/`: S3 and OSS. */
export const concatenatedLayout: Layout = {
  levelPrefix: (prefix, level) => `${prefix}/${level.toString(16).padStart(4, '0')}/`,
  levelsPrefix: (prefix) => `${prefix}/`,
  auxKey: (prefix, name) => `${prefix}/${name}`,
};

const CONCATENATING_TYPES: ReadonlySet<string> = new Set(['s3', 'oss']);

/** The layout the original uses with a type of store. */
export const layoutFor = (type: string): Layout => (CONCATENATING_TYPES.has(type) ? concatenatedLayout : pathLayout);

/** The key of one LTX file. */
export const keyOf = (layout: Layout, prefix: string, level: Level, range: TXIDRange): string =>
  layout.levelPrefix(prefix, level) + formatLTXName(range);
