/** Ceph's RADOS Gateway on one node, with everything in memory. */

import { randomUUID } from 'node:crypto';
import { accepts, freePorts, type Room } from '../room.ts';
import type { ServiceAddresses, ServiceDefinition } from '../service.ts';

const GIB = 2 ** 30;
const EVERYTHING = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'];

export const s3: ServiceDefinition<'s3'> = {
  name: 's3',
  packages: ['radosgw', 'ceph-mon', 'ceph-osd'],
  programs: ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph', 'ceph-authtool', 'monmaptool'],

  async start(room, { s3Bytes = 4 * GIB }) {
    const [gateway = 0, v2 = 0, v1 = 0] = await freePorts(3);
    const cluster = { fsid: randomUUID(), monitor: `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]` };
    room.env.CEPH_CONF = room.write('ceph.conf', configuration(room, { ...cluster, gateway, bytes: s3Bytes }));
    startMonitor(room, cluster);
    startStorage(room);
    room.run('ceph', 'auth', 'get-or-create', 'client.rgw', 'mon', 'allow *', 'osd', 'allow *', '-o', room.at('rgw.keyring'));
    const server = room.start('radosgw', 'radosgw', '-f', '-n', 'client.rgw');
    await room.ready('radosgw', server, () => accepts(gateway));

    const address: ServiceAddresses['s3'] = {
      endpoint: `http://127.0.0.1:${gateway}`,
      region: 'us-east-1',
      accessKeyID: 'testkey',
      secretAccessKey: 'testsecret',
      other: { accessKeyID: 'otherkey', secretAccessKey: 'othersecret' },
    };
    makeUser(room, 'tester', address);
    makeUser(room, 'other', address.other);
    const { warmUp } = await import('./s3-warm-up.ts');
    await warmUp(address);
    return address;
  },
};

interface Cluster {
  readonly fsid: string;
  readonly monitor: string;
}

function configuration({ path }: Room, { fsid, monitor, gateway, bytes }: Cluster & { gateway: number; bytes: number }): string {
  return `[global]
fsid = ${fsid}
mon host = ${monitor}
public addr = 127.0.0.1
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = ${path}/mon
mon data avail crit = 1
osd data = ${path}/osd
osd objectstore = memstore
memstore device bytes = ${bytes}
run dir = ${path}/run
admin socket = ${path}/run/$name.$pid.asok
log file = ${path}/$name.log
pid file = ${path}/run/$name.pid
[client]
keyring = ${path}/admin.keyring
[client.rgw]
keyring = ${path}/rgw.keyring
rgw frontends = beast endpoint=127.0.0.1:${gateway} tcp_nodelay=1
rgw data = ${path}/rgw
rgw enable usage log = false
rgw dynamic resharding = false
rgw override bucket index max shards = 1
`;
}

function startMonitor(room: Room, { fsid, monitor }: Cluster): void {
  for (const name of ['mon', 'osd', 'run', 'rgw']) room.directory(name);
  room.run('ceph-authtool', '-C', room.at('mon.keyring'), '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
  room.run('ceph-authtool', '-C', room.at('admin.keyring'), '--gen-key', '-n', 'client.admin', ...EVERYTHING);
  room.run('ceph-authtool', room.at('mon.keyring'), '--import-keyring', room.at('admin.keyring'));
  room.run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', monitor, room.at('monmap'));
  room.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', room.at('monmap'), '--keyring', room.at('mon.keyring'));
  room.start('ceph-mon', 'ceph-mon', '-f', '-i', 'a');
}

function startStorage(room: Room): void {
  const id = randomUUID();
  room.run('ceph', 'osd', 'create', id, '0'); // waits for the monitor
  room.run('ceph-authtool', '-C', room.at('osd', 'keyring'), '--gen-key', '-n', 'osd.0');
  room.run('ceph-osd', '-i', '0', '--mkfs', '--no-mon-config', '--osd-uuid', id, '--keyring', room.at('osd', 'keyring'));
  room.run('ceph', 'auth', 'add', 'osd.0', 'osd', 'allow *', 'mon', 'allow profile osd', '-i', room.at('osd', 'keyring'));
  room.start('ceph-osd', 'ceph-osd', '-f', '-i', '0');
  room.run('ceph', 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=h');
}

function makeUser(room: Room, name: string, keys: { readonly accessKeyID: string; readonly secretAccessKey: string }): void {
  const login = [`--access-key=${keys.accessKeyID}`, `--secret-key=${keys.secretAccessKey}`];
  room.run('radosgw-admin', '-n', 'client.rgw', 'user', 'create', `--uid=${name}`, `--display-name=${name}`, ...login);
}
