/** Every kind of destination as a person writes it into the configuration: a place of its own at a real server. */

import { join } from 'node:path';
import { makeContainer, unique } from '../storage/containers.ts';
import { newBucket } from '../storage/oss/bucket.ts';
import { type ServiceName, service } from '../support/services.ts';

/** Lines of a replica whose files lie under `path`. */
export type Written = (path: string) => readonly string[];

export interface Destination {
  readonly name: string;
  readonly service?: ServiceName;
  /** Makes an empty place; what is written for two paths in it are two replicas of one bucket. */
  prepare(directory: string): Promise<Written>;
}

const file: Destination = {
  name: 'file',
  prepare: async (directory) => (path) => ['type: file', `path: ${join(directory, 'replicas', path)}`],
};

const s3: Destination = {
  name: 's3',
  service: 's3',
  async prepare() {
    const { endpoint, region, accessKeyID, secretAccessKey } = await service('s3');
    const bucket = await makeContainer.s3();
    return (path) => [
      'type: s3',
      `bucket: ${bucket}`,
      `path: ${path}`,
      `endpoint: ${endpoint}`,
      `region: ${region}`,
      `access-key-id: ${accessKeyID}`,
      `secret-access-key: ${secretAccessKey}`,
    ];
  },
};

const abs: Destination = {
  name: 'abs',
  service: 'azure',
  async prepare() {
    const { connectionString } = await service('azure');
    const bucket = await makeContainer.azure();
    return (path) => ['type: abs', `bucket: ${bucket}`, `path: ${path}`, `connection-string: "${connectionString}"`];
  },
};

const gs: Destination = {
  name: 'gs',
  service: 'gcs',
  async prepare() {
    const { endpoint, projectID } = await service('gcs');
    const bucket = await makeContainer.gcs();
    return (path) => ['type: gs', `bucket: ${bucket}`, `path: ${path}`, `endpoint: ${endpoint}`, `project: ${projectID}`];
  },
};

const oss: Destination = {
  name: 'oss',
  service: 'oss',
  async prepare() {
    const server = await service('oss');
    const { bucket } = await newBucket(server);
    return (path) => [
      'type: oss',
      `bucket: ${bucket}`,
      `path: ${path}`,
      `endpoint: ${server.endpoint}`,
      `region: ${server.region}`,
      `access-key-id: ${server.accessKeyID}`,
      `secret-access-key: ${server.accessKeySecret}`,
    ];
  },
};

const sftp: Destination = {
  name: 'sftp',
  service: 'sftp',
  async prepare() {
    const { host, port, user, keyPath, knownHosts, root } = await service('sftp');
    const base = join(root, unique('trip'));
    return (path) => [
      'type: sftp',
      `host: ${host}:${port}`,
      `user: ${user}`,
      `key-path: ${keyPath}`,
      `known-hosts: ${knownHosts}`,
      `path: ${base}/${path}`,
    ];
  },
};

const webdav = (name: 'webdav-apache' | 'webdav-rclone'): Destination => ({
  name,
  service: name,
  async prepare() {
    const { endpoint, user, password } = await service(name);
    const base = unique('trip');
    return (path) => [
      'type: webdav',
      `webdav-url: ${endpoint}`,
      `webdav-username: ${user}`,
      `webdav-password: ${password}`,
      `path: ${base}/${path}`,
    ];
  },
});

const nats: Destination = {
  name: 'nats',
  service: 'nats',
  async prepare() {
    const { url } = await service('nats');
    const bucket = await makeContainer.nats();
    return (path) => ['type: nats', `servers: [${url}]`, `bucket: ${bucket}`, `path: ${path}`];
  },
};

export const DESTINATIONS: readonly Destination[] = [file, s3, abs, gs, oss, sftp, webdav('webdav-apache'), webdav('webdav-rclone'), nats];
