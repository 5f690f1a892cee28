/** rclone serving a directory by WebDAV. */

import { accepts, freePort } from '../room.ts';
import type { ServiceDefinition } from '../service.ts';

export const webdavRclone: ServiceDefinition<'webdav-rclone'> = {
  name: 'webdav-rclone',
  packages: ['rclone'],
  programs: ['rclone'],

  async start(room) {
    const port = await freePort();
    const root = room.directory('files');
    const [user, password] = ['tester', 'webdav-secret'];
    room.env.RCLONE_CONFIG = room.write('rclone.conf', '');
    const login = ['--user', user, '--pass', password];
    const server = room.start('rclone', 'rclone', 'serve', 'webdav', root, '--addr', `127.0.0.1:${port}`, ...login);
    await room.ready('rclone', server, () => accepts(port));
    return { endpoint: `http://127.0.0.1:${port}`, user, password, root };
  },
};
