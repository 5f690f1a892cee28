/** Keys that every kind of store reads, and what they come to. */

import { posix } from 'node:path';
import type { StoreSpec, TransportSettings } from '../../storage/spec.ts';
import { isOpenToReaders, withScheme } from '../hosts.ts';
import type { SectionSpec } from '../schema.ts';
import type { Placed, Values } from '../section.ts';
import type { Scalar, StoreContext } from './kind.ts';

const positive = { value: 0, exclusive: true } as const;

export const TRANSPORT_KEYS = {
  'upload-limit': { kind: 'bytes', least: positive, url: true, doc: 'Bytes per second that are sent to the replica at most.' },
  'download-limit': { kind: 'bytes', least: positive, url: true, doc: 'Bytes per second that are read from it at most.' },
  'max-requests': { kind: 'int', least: positive, url: true, doc: 'Requests to it in flight at once.' },
} as const satisfies SectionSpec;

/** The field `transport` of a spec, or nothing. */
export function transportOf(values: Values<typeof TRANSPORT_KEYS>): { readonly transport?: TransportSettings } {
  const transport = withoutUnset({
    uploadBytesPerSecond: values['upload-limit']?.value,
    downloadBytesPerSecond: values['download-limit']?.value,
    operations: values['max-requests']?.value,
  });
  return Object.keys(transport).length === 0 ? {} : { transport };
}

export const describeTransport = ({ transport }: StoreSpec): readonly (readonly [keyof typeof TRANSPORT_KEYS, Scalar | undefined])[] => [
  ['upload-limit', transport?.uploadBytesPerSecond],
  ['download-limit', transport?.downloadBytesPerSecond],
  ['max-requests', transport?.operations],
];

/** The same without fields that are undefined. */
export function withoutUnset<T extends object>(
  fields: T,
): { [N in keyof T as undefined extends T[N] ? never : N]: T[N] } & {
  [N in keyof T as undefined extends T[N] ? N : never]?: Exclude<T[N], undefined>;
} {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as ReturnType<typeof withoutUnset<T>>;
}

/** `credentials` of a spec when one of them is set. */
export function credentialsOf<T extends object>(fields: T): { readonly credentials?: ReturnType<typeof withoutUnset<T>> } {
  const credentials = withoutUnset(fields);
  return Object.keys(credentials).length === 0 ? {} : { credentials };
}

/** An endpoint as it was written, with its scheme; undefined, with a finding, when it is none. */
export function readEndpoint(endpoint: Placed<string> | undefined, { findings }: StoreContext): string | undefined {
  if (endpoint === undefined || endpoint.value === '') return undefined;
  const text = withScheme(endpoint.value);
  if (!/^https?:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?$/i.test(text)) {
    findings.error(endpoint.at, 'an endpoint is a host or a URL such as https://s3.example.org, without user, password and parameters');
    return undefined;
  }
  if (isOpenToReaders(text)) findings.warning(endpoint.at, `${text} is not encrypted on its way: use https`);
  return text;
}

/** The first part of what is missing in a pair of keys of which only one is written. */
export const halfOf = (missing: string): string => `without ${missing} this is half of a pair and not used`;

/** A secret as people see it. */
export const masked = (secret: string | undefined): string | undefined => (secret === undefined ? undefined : '***');

/** Path of a URL as the original cleans it: without slashes around it, and `.` when there is none. */
export const cleanURLPath = (path: string): string => posix.normalize(path).replace(/^\/+|\/+$/g, '');

/** The same as a prefix of stores that join paths, where `.` is nothing. */
export const prefixOf = (path: string): string => cleanURLPath(path).replace(/^\.$/, '');

/** A prefix of such stores as the original joins it: a slash in front stays. */
export const joinedPath = (path: string): string =>
  posix
    .normalize(path)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\.$/, '');
