/** What a server for tests is, and what each one answers once it runs. */

import type { Room } from './room.ts';

/** Where each server listens and how one gets in. Every server listens on loopback and belongs to tests alone. */
export interface ServiceAddresses {
  readonly s3: {
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyID: string;
    readonly secretAccessKey: string;
    /** A second user, who may do nothing with buckets of the first unless a policy says so. */
    readonly other: { readonly accessKeyID: string; readonly secretAccessKey: string };
  };
  readonly azure: {
    readonly endpoint: string;
    readonly accountName: string;
    readonly accountKey: string;
    readonly connectionString: string;
  };
  readonly nats: { readonly url: string; readonly host: string; readonly port: number };
  readonly sftp: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly keyPath: string;
    readonly encryptedKeyPath: string;
    readonly passphrase: string;
    /** A key that the server does not know. */
    readonly strangerKeyPath: string;
    /** The server's key in authorized_keys form, and a known_hosts file that holds it. */
    readonly hostKey: string;
    readonly knownHosts: string;
    /** An existing absolute directory on the server. */
    readonly root: string;
  };
  readonly 'webdav-apache': WebDAVAddress;
  readonly 'webdav-rclone': WebDAVAddress;
  readonly gcs: { readonly endpoint: string; readonly projectID: string };
  readonly oss: { readonly endpoint: string; readonly region: string; readonly accessKeyID: string; readonly accessKeySecret: string };
}

export interface WebDAVAddress {
  readonly endpoint: string;
  readonly user: string;
  readonly password: string;
  /** The served directory, to look into. */
  readonly root: string;
}

export type ServiceName = keyof ServiceAddresses;

export interface ServiceOptions {
  /** Bytes the S3 server's memory may hold, default 4 GiB; they are taken as objects come. */
  readonly s3Bytes?: number;
}

/** One server: what it needs, and how it starts. */
export interface ServiceDefinition<N extends ServiceName = ServiceName> {
  readonly name: N;
  /** Debian packages. */
  readonly packages: readonly string[];
  /** Programs that must be there, by name. */
  readonly programs: readonly string[];
  /** Files that must be there. */
  readonly files?: readonly string[];
  /** Resolves when the server answers. What it started is recorded in the room, also when it fails. */
  start(room: Room, options: ServiceOptions): Promise<ServiceAddresses[N]>;
}
