/** Every kind of store that is reached over a network, each a row of data for the fault matrix. */

import { join } from 'node:path';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { service } from '../../support/services.ts';
import { makeContainer, unique } from '../containers.ts';
import { newBucket } from '../oss/bucket.ts';
import { atPort, type Backend, type HTTPBackend, portOf, type TCPBackend } from './backend.ts';
import { AZURE_WORDS, GOOGLE_WORDS, OSS_WORDS, S3_WORDS, WEBDAV_WORDS } from './words.ts';

const s3: HTTPBackend = {
  name: 's3',
  service: 's3',
  kind: 'http',
  words: S3_WORDS,
  puts: ({ method, path }) => method === 'PUT' && /\.ltx/.test(path),
  gets: ({ method, path }) => method === 'GET' && /\.ltx/.test(path),
  lists: ({ method, path }) => method === 'GET' && /list-type=2/.test(path),
  deletes: ({ method, path }) => method === 'DELETE' || (method === 'POST' && /[?&]delete/.test(path)),
  async prepare() {
    const { endpoint, region, accessKeyID, secretAccessKey } = await service('s3');
    const bucket = await makeContainer.s3();
    const spec = (port: number, name: string, secret: string, path = 'replica'): StoreSpec => ({
      type: 's3',
      bucket: name,
      path,
      region,
      endpoint: atPort(endpoint, port),
      forcePathStyle: true,
      partSize: 5 * 2 ** 20,
      credentials: { accessKeyID, secretAccessKey: secret },
    });
    return {
      target: portOf(endpoint),
      through: (port, path) => spec(port, bucket, secretAccessKey, path),
      missingContainer: (port) => spec(port, unique('missing'), secretAccessKey),
      wrongCredentials: (port) => spec(port, bucket, 'wrong-secret'),
    };
  },
};

const abs: HTTPBackend = {
  name: 'abs',
  service: 'azure',
  kind: 'http',
  words: AZURE_WORDS,
  puts: ({ method, path }) => method === 'PUT' && /\.ltx/.test(path),
  gets: ({ method, path }) => method === 'GET' && /\.ltx/.test(path),
  lists: ({ method, path }) => method === 'GET' && /comp=list/.test(path),
  deletes: ({ method, path }) => method === 'DELETE' || (method === 'POST' && /comp=batch/.test(path)),
  async prepare() {
    const { endpoint, accountName, accountKey } = await service('azure');
    const bucket = await makeContainer.azure();
    const spec = (port: number, name: string, key: string, path = 'replica'): StoreSpec => ({
      type: 'abs',
      bucket: name,
      path,
      accountName,
      endpoint: atPort(endpoint, port),
      credentials: { accountKey: key },
    });
    return {
      target: portOf(endpoint),
      through: (port, path) => spec(port, bucket, accountKey, path),
      missingContainer: (port) => spec(port, unique('missing'), accountKey),
      wrongCredentials: (port) => spec(port, bucket, Buffer.from('wrong').toString('base64')),
    };
  },
};

const gs: HTTPBackend = {
  name: 'gs',
  service: 'gcs',
  kind: 'http',
  words: GOOGLE_WORDS,
  puts: ({ method, path }) => (method === 'POST' || method === 'PUT') && path.startsWith('/upload/'),
  gets: ({ method, path }) => method === 'GET' && /alt=media/.test(path),
  lists: ({ method, path }) => method === 'GET' && /\/o\?/.test(path) && !/alt=media/.test(path),
  deletes: ({ method }) => method === 'DELETE',
  async prepare() {
    const { endpoint, projectID } = await service('gcs');
    const bucket = await makeContainer.gcs();
    const spec = (port: number, name: string, path = 'replica'): StoreSpec => ({
      type: 'gs',
      bucket: name,
      path,
      endpoint: atPort(endpoint, port),
      projectID,
    });
    return {
      target: portOf(endpoint),
      through: (port, path) => spec(port, bucket, path),
      missingContainer: (port) => spec(port, unique('missing')),
    };
  },
};

const oss: HTTPBackend = {
  name: 'oss',
  service: 'oss',
  kind: 'http',
  words: OSS_WORDS,
  puts: ({ method, path }) => method === 'PUT' && /\.ltx/.test(path),
  gets: ({ method, path }) => method === 'GET' && /\.ltx/.test(path),
  lists: ({ method, path }) => method === 'GET' && /list-type=2|[?&]prefix=/.test(path),
  deletes: ({ method, path }) => method === 'DELETE' || (method === 'POST' && /[?&]delete/.test(path)),
  async prepare() {
    const server = await service('oss');
    const { endpoint, region, accessKeyID, accessKeySecret } = server;
    const { bucket } = await newBucket(server);
    const spec = (port: number, name: string, secret: string, path = 'replica'): StoreSpec => ({
      type: 'oss',
      bucket: name,
      path,
      region,
      endpoint: atPort(endpoint, port),
      credentials: { accessKeyID, accessKeySecret: secret },
    });
    return {
      target: portOf(endpoint),
      through: (port, path) => spec(port, bucket, accessKeySecret, path),
      missingContainer: (port) => spec(port, unique('missing'), accessKeySecret),
      wrongCredentials: (port) => spec(port, bucket, 'wrong-secret'),
    };
  },
};

const webdav = (name: 'webdav-apache' | 'webdav-rclone'): HTTPBackend => ({
  name,
  service: name,
  kind: 'http',
  words: WEBDAV_WORDS,
  puts: ({ method }) => method === 'PUT',
  gets: ({ method }) => method === 'GET',
  lists: ({ method }) => method === 'PROPFIND',
  deletes: ({ method }) => method === 'DELETE',
  async prepare() {
    const { endpoint, user, password } = await service(name);
    const base = unique('faults');
    const spec = (port: number, secret: string, path = 'replica'): StoreSpec => ({
      type: 'webdav',
      endpoint: atPort(endpoint, port),
      path: `${base}/${path}`,
      user,
      credentials: { password: secret },
    });
    return {
      target: portOf(endpoint),
      through: (port, path) => spec(port, password, path),
      wrongCredentials: (port) => spec(port, 'wrong'),
    };
  },
});

const sftp: TCPBackend = {
  name: 'sftp',
  service: 'sftp',
  kind: 'tcp',
  async prepare() {
    const { host, port: own, user, keyPath, strangerKeyPath, hostKey, root } = await service('sftp');
    const base = unique('faults');
    const spec = (port: number, key: string, path = 'replica'): StoreSpec => ({
      type: 'sftp',
      host,
      port,
      user,
      keyPath: key,
      hostKeys: [hostKey],
      path: join(root, base, path),
    });
    return {
      target: { host, port: own },
      through: (port, path) => spec(port, keyPath, path),
      wrongCredentials: (port) => spec(port, strangerKeyPath),
    };
  },
};

const nats: TCPBackend = {
  name: 'nats',
  service: 'nats',
  kind: 'tcp',
  async prepare() {
    const { host, port: own } = await service('nats');
    const bucket = await makeContainer.nats();
    const spec = (port: number, name: string, path = 'replica'): StoreSpec => ({
      type: 'nats',
      servers: [`nats://${host}:${port}`],
      bucket: name,
      path,
      reconnectWaitMs: 20,
    });
    return {
      target: { host, port: own },
      through: (port, path) => spec(port, bucket, path),
      missingContainer: (port) => spec(port, unique('missing')),
    };
  },
};

export const HTTP_BACKENDS: readonly HTTPBackend[] = [s3, abs, gs, oss, webdav('webdav-apache'), webdav('webdav-rclone')];
export const TCP_BACKENDS: readonly TCPBackend[] = [sftp, nats];
export const BACKENDS: readonly Backend[] = [...HTTP_BACKENDS, ...TCP_BACKENDS];
