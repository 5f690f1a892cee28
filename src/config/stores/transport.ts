/** Keys about the way to a destination, which every kind of store reads. */

import type { StoreSpec, TransportSettings } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import type { Values } from '../section.ts';
import { withoutUnset } from './fields.ts';
import type { Scalar } from './kind.ts';

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
