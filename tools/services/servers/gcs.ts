/** The repository's own server for the protocol of GCS: see tools/services/gcs. */

import { startFake } from '../fake.ts';
import type { ServiceDefinition } from '../service.ts';

export const gcs: ServiceDefinition<'gcs'> = {
  name: 'gcs',
  packages: [],
  programs: [],

  async start(room) {
    const { port } = await startFake(room, 'gcs');
    return { endpoint: `http://127.0.0.1:${port}`, projectID: 'tests' };
  },
};
