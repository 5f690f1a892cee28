/** Where the ciphertext of an encrypted replica waits for its upload, and who makes it. */

import { join } from 'node:path';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { OpenReplicaOptions } from '../replica/open.ts';
import { runJob } from '../workers/job-host.ts';

/** For the process that owns the metadata directory. */
export const sealingOf = (
  { name }: Pick<ReplicaSettings, 'name'>,
  { metaPath }: Pick<DatabaseSettings, 'metaPath'>,
): NonNullable<OpenReplicaOptions['sealing']> => ({
  directory: join(metaPath, 'sealed', encodeURIComponent(name)),
  sealFile: (request, options) => runJob('seal', request, options),
});
