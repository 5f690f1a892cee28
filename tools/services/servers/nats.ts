/** nats-server with JetStream and nobody to log in. */

import { accepts, freePort } from '../room.ts';
import type { ServiceDefinition } from '../service.ts';

export const nats: ServiceDefinition<'nats'> = {
  name: 'nats',
  packages: ['nats-server'],
  programs: ['nats-server'],

  async start(room) {
    const port = await freePort();
    const store = room.directory('jetstream');
    const config = `listen: 127.0.0.1:${port}\njetstream { store_dir: ${JSON.stringify(store)}, max_mem: 256M, max_file: 8G }\n`;
    const server = room.start('nats', 'nats-server', '-c', room.write('nats.conf', config));
    await room.ready('nats', server, async () => room.output('nats').includes('Server is ready') && (await accepts(port)));
    return { url: `nats://127.0.0.1:${port}`, host: '127.0.0.1', port };
  },
};
