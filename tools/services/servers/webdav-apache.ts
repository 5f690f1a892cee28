/** Apache's mod_dav on a directory. */

import { chmodSync, chownSync, existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { accepts, freePort } from '../room.ts';
import type { ServiceDefinition } from '../service.ts';

const MODULES = '/usr/lib/apache2/modules';
const USED = ['mpm_event', 'authn_core', 'authn_file', 'authz_core', 'authz_user', 'auth_basic', 'dav', 'dav_fs', 'dav_lock'];

export const webdavApache: ServiceDefinition<'webdav-apache'> = {
  name: 'webdav-apache',
  packages: ['apache2'],
  programs: ['apache2', 'openssl'],
  files: [`${MODULES}/mod_dav_fs.so`],

  async start(room) {
    const port = await freePort();
    const [user, password] = ['tester', 'webdav-secret'];
    const hash = room.run('openssl', 'passwd', '-apr1', password).trim();
    const passwords = room.write('passwords', `${user}:${hash}\n`, 0o644);
    const [root, locks] = [room.directory('files'), room.directory('locks')];
    const isRoot = userInfo().uid === 0;
    if (isRoot) giveToServer(room.path, root, locks);
    const config = `
ServerRoot "${room.path}"
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile "${room.at('apache.pid')}"
ErrorLog "${room.at('error.log')}"
DefaultRuntimeDir "${room.directory('run')}"
Mutex pthread
${USED.filter((name) => existsSync(`${MODULES}/mod_${name}.so`))
  .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
  .join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
DocumentRoot "${root}"
DavLockDB "${locks}/lock"
DavMinTimeout 600
LimitRequestBody 0
LimitXMLRequestBody 0
<Directory "${root}">
  Dav On
  AuthType Basic
  AuthName tests
  AuthUserFile "${passwords}"
  Require valid-user
</Directory>
`;
    const server = room.start('apache', 'apache2', '-f', room.write('apache.conf', config), '-DFOREGROUND');
    try {
      await room.ready('apache', server, () => accepts(port));
    } catch (error) {
      throw new Error(existsSync(room.at('error.log')) ? readFileSync(room.at('error.log'), 'utf8') : '', { cause: error });
    }
    return { endpoint: `http://127.0.0.1:${port}`, user, password, root };
  },
};

/** The server's workers run as www-data: what they write is theirs, and the way there can be passed. */
function giveToServer(path: string, ...own: readonly string[]): void {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('www-data:'));
  const [uid, gid] = (line ?? '').split(':').slice(2, 4).map(Number);
  if (uid === undefined || gid === undefined) throw new Error('there is no user www-data');
  chmodSync(path, 0o755);
  for (const directory of own) {
    chownSync(directory, uid, gid);
    chmodSync(directory, 0o777);
  }
}
