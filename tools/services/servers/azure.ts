/** azurite's blob service, in memory. */

import { fileURLToPath } from 'node:url';
import { freePort } from '../room.ts';
import type { ServiceDefinition } from '../service.ts';

const AZURITE = fileURLToPath(new URL('../../../node_modules/azurite/dist/src/blob/main.js', import.meta.url));
/** The development account every installation of azurite has, as its documentation prints it. */
const ACCOUNT = 'devstoreaccount1';
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export const azure: ServiceDefinition<'azure'> = {
  name: 'azure',
  packages: [],
  programs: [],
  files: [AZURITE],

  async start(room) {
    const port = await freePort();
    const options = ['--silent', '--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
    const server = room.start('azurite', process.execPath, AZURITE, ...options, '--blobHost', '127.0.0.1', '--blobPort', String(port));
    const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
    await room.ready('azurite', server, () =>
      fetch(endpoint).then(
        () => true,
        () => false,
      ),
    );
    return {
      endpoint,
      accountName: ACCOUNT,
      accountKey: KEY,
      connectionString: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint};`,
    };
  },
};
