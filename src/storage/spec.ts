/**
 * Where a store is and how it is reached: plain data that may cross a thread, so that a job worker can open its own client.
 *
 * Secrets stand in `credentials` and in `encryption.identities`, nowhere else: whoever prints or compares a spec takes `publicSpec`.
 */

/** Bounds of the traffic with one destination. */
export interface TransportSettings {
  /** Bytes per second sent at most, > 0. */
  readonly uploadBytesPerSecond?: number;
  /** Bytes per second received at most, > 0. */
  readonly downloadBytesPerSecond?: number;
  /** Requests in flight at once, ≥ 1. */
  readonly operations?: number;
}

/** age encryption of every file (decision 74): names end in `.ltx.age`. */
export interface EncryptionSettings {
  /** age recipients (`age1…`, or lines of an SSH public key where age takes them); none for a reader. */
  readonly recipients: readonly string[];
  /** Secret. `AGE-SECRET-KEY-…` lines; none on a host that only writes. */
  readonly identities?: readonly string[];
}

interface CommonSpec {
  readonly transport?: TransportSettings;
  readonly encryption?: EncryptionSettings;
}

export interface FileStoreSpec extends CommonSpec {
  readonly type: 'file';
  /** Absolute directory. */
  readonly path: string;
  /** Permission bits of files, default 0600. */
  readonly fileMode?: number;
  /** Permission bits of directories that are made, default 0700. */
  readonly directoryMode?: number;
  /** Given to what is made, as far as permitted. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

export interface S3StoreSpec extends CommonSpec {
  readonly type: 's3';
  /** Name of a bucket, or ARN of an access point. */
  readonly bucket: string;
  /** Key prefix as configured, not cleaned: keys are `<path>/0000/…` (concatenated layout). */
  readonly path: string;
  readonly region?: string;
  /** With scheme; absent for AWS. */
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
  /** Certificates are not checked. */
  readonly skipVerify?: boolean;
  readonly signPayload?: boolean;
  readonly requireContentMD5?: boolean;
  readonly storageClass?: string;
  /** Bytes, at least 5 MiB. */
  readonly partSize?: number;
  /** Parts in flight, ≥ 1. */
  readonly concurrency?: number;
  /** SSE-S3: by default where the provider takes it. */
  readonly serverSideEncryption?: 'AES256' | 'none';
  readonly sseKmsKeyID?: string;
  /** Profile of the shared AWS files. */
  readonly profile?: string;
  readonly credentials?: {
    readonly accessKeyID?: string;
    readonly secretAccessKey?: string;
    readonly sessionToken?: string;
    /** base64 of 32 bytes: SSE-C. */
    readonly sseCustomerKey?: string;
  };
}

export interface GCSStoreSpec extends CommonSpec {
  readonly type: 'gs';
  readonly bucket: string;
  /** Prefix inside the bucket, '' for none. */
  readonly path: string;
  /** With scheme, for an emulator or a private endpoint. */
  readonly endpoint?: string;
  readonly projectID?: string;
  /** Absolute path of a service account's key file; without it Application Default Credentials. */
  readonly keyFile?: string;
}

export interface AzureStoreSpec extends CommonSpec {
  readonly type: 'abs';
  /** The container. */
  readonly bucket: string;
  readonly path: string;
  readonly accountName?: string;
  /** With scheme; by default https://ACCOUNT.blob.core.windows.net. */
  readonly endpoint?: string;
  readonly credentials?: { readonly accountKey?: string; readonly sasToken?: string; readonly connectionString?: string };
}

/** Where and how one SSH server is logged in to. */
export interface SSHLogin {
  readonly host: string;
  /** Default 22. */
  readonly port?: number;
  readonly user: string;
  /** Absolute path of a private key. */
  readonly keyPath?: string;
  /** Socket of an SSH agent. */
  readonly agent?: string;
  /** Host keys that are accepted, in authorized_keys form; wins over known_hosts. */
  readonly hostKeys?: readonly string[];
  /** Absolute path of a known_hosts file. */
  readonly knownHosts?: string;
  /** false: any host key is accepted. By default an unknown one is refused. */
  readonly verifyHost?: boolean;
}

export interface SFTPStoreSpec extends CommonSpec, SSHLogin {
  readonly type: 'sftp';
  /** Directory on the server: absolute, or relative to the home directory. The store is rooted there. */
  readonly path: string;
  readonly concurrentWrites?: boolean;
  /** A server through which `host` is reached. */
  readonly jump?: SSHLogin;
  readonly credentials?: {
    readonly password?: string;
    readonly passphrase?: string;
    readonly jumpPassword?: string;
    readonly jumpPassphrase?: string;
  };
}

export interface WebDAVStoreSpec extends CommonSpec {
  readonly type: 'webdav';
  /** http(s) URL of the server, with a base path if it has one, without user info. */
  readonly endpoint: string;
  /** Directory below it. The store is rooted there. */
  readonly path: string;
  readonly user?: string;
  readonly credentials?: { readonly password?: string };
}

export interface NATSStoreSpec extends CommonSpec {
  readonly type: 'nats';
  /** nats:// or tls:// URLs without user info. */
  readonly servers: readonly string[];
  /** The object store, which has to exist. */
  readonly bucket: string;
  /** Prefix of the object names, '' for none as in the original. */
  readonly path: string;
  readonly username?: string;
  /** Absolute path of a .creds file. */
  readonly credsFile?: string;
  readonly tls?: boolean;
  /** Absolute paths. */
  readonly rootCAs?: readonly string[];
  readonly clientCert?: string;
  readonly clientKey?: string;
  /** Negative for without end, the default. */
  readonly maxReconnects?: number;
  /** ms, default 2,000. */
  readonly reconnectWaitMs?: number;
  /** ms for a connection, default 10,000. */
  readonly timeoutMs?: number;
  readonly credentials?: {
    readonly jwt?: string;
    readonly seed?: string;
    /** Seed of an nkey. */
    readonly nkey?: string;
    readonly password?: string;
    readonly token?: string;
  };
}

export interface OSSStoreSpec extends CommonSpec {
  readonly type: 'oss';
  readonly bucket: string;
  /** Key prefix as configured, not cleaned (concatenated layout). */
  readonly path: string;
  /** Default cn-hangzhou. */
  readonly region?: string;
  /** With scheme; by default that of the region. */
  readonly endpoint?: string;
  readonly partSize?: number;
  readonly concurrency?: number;
  readonly credentials?: { readonly accessKeyID?: string; readonly accessKeySecret?: string; readonly securityToken?: string };
}

/** One member per back end; each is declared here and opened by the registry. */
export type StoreSpec =
  | FileStoreSpec
  | S3StoreSpec
  | GCSStoreSpec
  | AzureStoreSpec
  | SFTPStoreSpec
  | WebDAVStoreSpec
  | NATSStoreSpec
  | OSSStoreSpec;

/** A spec without its secrets. */
export function publicSpec(spec: StoreSpec): object {
  const { credentials: _, encryption, ...rest } = spec as StoreSpec & { credentials?: unknown };
  return encryption === undefined ? rest : { ...rest, encryption: { recipients: encryption.recipients } };
}

/** Every secret of a spec, to be blanked wherever text leaves the process. */
export function secretsOf(spec: StoreSpec): readonly string[] {
  const credentials = 'credentials' in spec ? Object.values(spec.credentials ?? {}) : [];
  return [...credentials, ...(spec.encryption?.identities ?? [])].filter((value): value is string => typeof value === 'string');
}
