/** A directory of this machine. */

import type { FileStoreSpec } from '../../storage/spec.ts';
import { absolutePath } from '../paths.ts';
import type { SectionSpec } from '../schema.ts';
import { defineStore } from './kind.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  path: {
    kind: 'string',
    address: 'exclusive',
    dated: true,
    doc: 'The directory; relative to the working directory, `~` is the home directory.',
  },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

export const FILE = defineStore<typeof KEYS, FileStoreSpec>({
  type: 'file',
  schemes: ['file'],
  keys: KEYS,
  // `file://a/b` is /a/b in the original.
  partsOf: ({ path }) => ({ path: path === '' || path.startsWith('/') || path.startsWith('~') ? path : `/${path}` }),
  resolve(values, { env, findings, at }) {
    const { path } = values;
    if (path === undefined || path.value === '') {
      findings.error(path?.at ?? at, 'a file replica needs a path: the directory to write to');
      return undefined;
    }
    return { type: 'file', path: absolutePath(path.value, env), ...transportOf(values) };
  },
  describe: (spec) => [['path', spec.path], ...describeTransport(spec)],
});
