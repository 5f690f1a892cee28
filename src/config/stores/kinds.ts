/** Every kind of store that a configuration may name. */

import type { StoreSpec } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import { ABS } from './abs.ts';
import { FILE } from './file.ts';
import { GS } from './gs.ts';
import type { StoreKind } from './kind.ts';
import { NATS } from './nats.ts';
import { OSS } from './oss.ts';
import { S3 } from './s3.ts';
import { SFTP } from './sftp.ts';
import { WEBDAV } from './webdav.ts';

export const STORE_KINDS: readonly StoreKind[] = [FILE, S3, GS, ABS, SFTP, WEBDAV, NATS, OSS];

/** The words of `type`, without aliases. */
export const STORE_TYPES: readonly StoreSpec['type'][] = STORE_KINDS.map(({ type }) => type);

/** By a word of `type`, also an older one. */
export const kindNamed = (word: string): StoreKind | undefined => STORE_KINDS.find(({ names }) => names.includes(word));

/** By the scheme of a URL. */
export const kindOfScheme = (scheme: string): StoreKind | undefined => STORE_KINDS.find(({ schemes }) => schemes.includes(scheme));

/** The types that read a key. */
export const readersOf = (key: string): readonly StoreSpec['type'][] =>
  STORE_KINDS.flatMap(({ type, keys }) => (Object.hasOwn(keys, key) ? [type] : []));

/** All keys of all kinds that may stand at top level: those that say where a single replica is may not. */
export const STORE_KEYS: SectionSpec = Object.fromEntries(
  STORE_KINDS.flatMap(({ keys }) => Object.entries(keys)).filter(([name]) => name !== 'path'),
);
