/** OpenSSH's sshd for one user and keys of its own. */

import { mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { accepts, freePort } from '../room.ts';
import type { ServiceDefinition } from '../service.ts';

export const sftp: ServiceDefinition<'sftp'> = {
  name: 'sftp',
  packages: ['openssh-server', 'openssh-client'],
  programs: ['sshd', 'ssh-keygen'],

  async start(room) {
    const { username: user, uid } = userInfo();
    // sshd changes into it before anyone is known; as another user it does not need it.
    if (uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const passphrase = 'a passphrase for tests';
    for (const [name, secret] of [
      ['host', ''],
      ['user', ''],
      ['encrypted', passphrase],
      ['stranger', ''],
    ] as const) {
      room.run('ssh-keygen', '-q', '-t', 'ed25519', '-C', name, '-N', secret, '-f', room.at(name));
    }
    const publicKey = (name: string) => readFileSync(room.at(`${name}.pub`), 'utf8').trim();
    const port = await freePort();
    const hostKey = publicKey('host').split(' ').slice(0, 2).join(' ');
    const config = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${room.at('host')}`,
      `AuthorizedKeysFile ${room.write('authorized_keys', `${publicKey('user')}\n${publicKey('encrypted')}\n`)}`,
      `PidFile ${room.at('sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'MaxStartups 200',
      'MaxSessions 200',
      'Subsystem sftp internal-sftp',
    ];
    const sshd = room.start('sshd', 'sshd', '-D', '-e', '-f', room.write('sshd_config', `${config.join('\n')}\n`));
    await room.ready('sshd', sshd, () => accepts(port));
    return {
      host: '127.0.0.1',
      port,
      user,
      keyPath: room.at('user'),
      encryptedKeyPath: room.at('encrypted'),
      passphrase,
      strangerKeyPath: room.at('stranger'),
      hostKey,
      knownHosts: room.write('known_hosts', `[127.0.0.1]:${port} ${hostKey}\n`),
      root: room.directory('files'),
    };
  },
};
