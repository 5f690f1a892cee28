/** What else there is when the one replica that was named has a damaged file. */

import { type ErrorCode, LitestreamError } from '../base/errors.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import type { DatabaseEntry } from '../service/options.ts';

/** Of a file, or of the lack of one: another replica may have it. */
const OF_FILES: readonly ErrorCode[] = [
  'LTX_INVALID',
  'LTX_CHECKSUM_MISMATCH',
  'LTX_TRUNCATED',
  'LTX_GAP',
  'OBJECT_NOT_FOUND',
  'OBJECT_ARCHIVED',
];

/** The failure of a restore from `replica` alone; where the database has other replicas, with the hint that they may help. */
export function withOthers(error: unknown, { settings, replicas }: DatabaseEntry, replica: Pick<ReplicaSettings, 'name'>): unknown {
  const others = replicas.filter(({ name }) => name !== replica.name).map(({ name }) => name);
  if (!(error instanceof LitestreamError) || !OF_FILES.includes(error.code) || others.length === 0) return error;
  const advice = `Without -replica the file is taken from another replica (${others.join(', ')}), and litestream repair ${settings.path} copies it.`;
  return new LitestreamError(error.code, error.message, {
    cause: error,
    ...(error.details === undefined ? {} : { details: error.details }),
    hint: error.hint === undefined ? advice : `${advice} ${error.hint}`,
  });
}
