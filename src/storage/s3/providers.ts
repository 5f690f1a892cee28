/** What is known of services that speak S3, as data: how a service is recognised by its endpoint, and in what it differs. */

export interface ProviderTraits {
  /** Parts of one upload in flight. */
  readonly concurrency: number;
  /** Parts one object may have. */
  readonly maxParts: number;
  /** `bucket` in the path instead of the host name, when the configuration does not say. */
  readonly pathStyle: boolean;
  /** Content-MD5 on batch deletes, when the configuration does not say. */
  readonly contentMD5: boolean;
  /** Payloads are hashed and signed, when the configuration does not say. */
  readonly signPayload: boolean;
  /** Many keys in one delete request. */
  readonly batchDelete: boolean;
  /** If-None-Match on put. */
  readonly conditionalPut: boolean;
  /** If-None-Match on the completion of a multipart upload is known to be kept. */
  readonly conditionalComplete: boolean;
  /** If-Match on put. */
  readonly conditionalReplace: boolean;
  /** How If-Match wants its ETag: as the standard says, or possibly without quotes. */
  readonly etagForm: 'quoted' | 'either';
  /** SSE-S3 is asked for by default: the service is documented to take `x-amz-server-side-encryption: AES256`. */
  readonly sseS3: boolean;
  /** Headers on every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Region when neither the configuration nor the host names one. */
  readonly region: string;
}

export interface Provider extends ProviderTraits {
  readonly name: string;
  /** Whole host names, or with a leading dot their ends. */
  readonly hosts: readonly string[];
  /** Recognises hosts that `hosts` cannot describe. */
  readonly pattern?: RegExp;
  /** The region inside a host name, as group 1. */
  readonly regionInHost?: RegExp;
  /** What a person has to know before trusting a backup to it. */
  readonly note?: string;
}

/** How any endpoint is treated of which nothing is known: whatever the pickiest known service demands. */
const GENERIC: ProviderTraits = {
  concurrency: 5,
  maxParts: 1000,
  pathStyle: true,
  contentMD5: true,
  signPayload: true,
  batchDelete: true,
  conditionalPut: true,
  conditionalComplete: false,
  conditionalReplace: true,
  etagForm: 'either',
  sseS3: false,
  headers: {},
  region: 'us-east-1',
};

/** Those of the table that can be recognised by their host; anything else is `generic`. The first match counts. */
export const PROVIDERS: readonly Provider[] = [
  {
    ...GENERIC,
    name: 'aws',
    hosts: ['.amazonaws.com', '.amazonaws.com.cn', '.api.aws'],
    // s3.REGION.amazonaws.com, s3-fips.dualstack.REGION.amazonaws.com, bucket.ID.s3.REGION.vpce.amazonaws.com
    regionInHost: /(?:^|\.)s3[a-z-]*\.(?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\./,
    maxParts: 10_000,
    conditionalComplete: true,
    etagForm: 'quoted',
    sseS3: true,
  },
  {
    ...GENERIC,
    name: 'cloudflare-r2',
    hosts: ['.r2.cloudflarestorage.com'],
    concurrency: 2,
    region: 'auto',
    note: 'All parts but the last of an upload must be of one size; more than two or three in flight have been answered with 500.',
  },
  {
    ...GENERIC,
    name: 'backblaze-b2',
    hosts: ['.backblazeb2.com'],
    regionInHost: /^s3\.([a-z]+-[a-z]+-\d+)\./,
    conditionalPut: false,
    conditionalReplace: false,
    sseS3: true,
    note: 'Buckets keep every version: set the life cycle to "keep only the last version", or storage grows without end.',
  },
  {
    ...GENERIC,
    name: 'tigris',
    hosts: ['fly.storage.tigris.dev', 't3.storage.dev'],
    contentMD5: false,
    headers: { 'x-tigris-consistent': 'true' },
    region: 'auto',
    note: 'Without the consistency header listings of other regions lag behind, which would make a position look older than it is.',
  },
  {
    ...GENERIC,
    name: 'digitalocean-spaces',
    hosts: ['.digitaloceanspaces.com'],
    regionInHost: /^(?:.+\.)?([a-z]{3}\d)\.digitaloceanspaces\.com$/,
    pathStyle: false,
  },
  { ...GENERIC, name: 'scaleway', hosts: ['.scw.cloud'], regionInHost: /^(?:.+\.)?s3\.([a-z-]+)\.scw\.cloud$/, maxParts: 1000 },
  {
    ...GENERIC,
    name: 'hetzner',
    hosts: ['.your-objectstorage.com'],
    regionInHost: /^(?:.+\.)?([a-z]{3}\d)\.your-objectstorage\.com$/,
  },
  { ...GENERIC, name: 'filebase', hosts: ['s3.filebase.com'] },
  {
    ...GENERIC,
    name: 'supabase',
    hosts: ['.supabase.co'],
    note: 'The endpoint has a path, /storage/v1/s3, and the plan limits the size of a file.',
  },
  {
    ...GENERIC,
    name: 'google-cloud-storage',
    hosts: [],
    pattern: /^(?:[^.]+-)?storage(?:-[^.]+)?\.(?!storage\.)(?:[^.]+\.)?googleapis\.com$/,
    batchDelete: false,
    conditionalPut: false,
    conditionalReplace: false,
    region: 'auto',
  },
  {
    ...GENERIC,
    name: 'wasabi',
    hosts: ['.wasabisys.com'],
    regionInHost: /^s3\.([a-z]+-[a-z]+-\d+)\.wasabisys\.com$/,
    note: 'Objects are billed for 90 days at least, so frequent small files cost more than they take.',
  },
  { ...GENERIC, name: 'linode', hosts: ['.linodeobjects.com'], regionInHost: /^(?:.+\.)?([a-z]{2}-[a-z]+-\d)\.linodeobjects\.com$/ },
  {
    ...GENERIC,
    name: 'oracle-oci',
    hosts: ['.oraclecloud.com', '.oci.customer-oci.com'],
    regionInHost: /\.compat\.objectstorage\.([a-z]+-[a-z]+-\d)\./,
    note: 'The region must be that of the tenancy.',
  },
  {
    ...GENERIC,
    name: 'alibaba-oss',
    hosts: ['.aliyuncs.com'],
    regionInHost: /(?:^|\.)(?:s3\.)?oss-([a-z]+-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$/,
    pathStyle: false,
  },
];

const AWS = PROVIDERS[0] as Provider;

const UNKNOWN: Provider = { ...GENERIC, name: 'generic', hosts: [] };

/** The provider behind an endpoint (a URL, or a bare host); AWS without one. An address with user info is never taken for a known one. */
export function providerOf(endpoint: string | undefined): Provider {
  if (endpoint === undefined) return { ...AWS, pathStyle: false };
  const host = hostOf(endpoint);
  if (host === undefined) return UNKNOWN;
  return PROVIDERS.find((provider) => matches(provider, host)) ?? UNKNOWN;
}

/** The region a host name tells, if any. */
export function regionInEndpoint(endpoint: string | undefined, { regionInHost }: Provider): string | undefined {
  const host = endpoint === undefined ? undefined : hostOf(endpoint);
  return host === undefined ? undefined : regionInHost?.exec(host)?.[1];
}

function matches({ hosts, pattern }: Provider, host: string): boolean {
  if (pattern?.test(host) === true) return true;
  return hosts.some((known) => (known.startsWith('.') ? host.endsWith(known) : host === known));
}

/** Host name of an endpoint in lower case, without port. */
export function hostOf(endpoint: string): string | undefined {
  const url = URL.parse(endpoint.includes('://') ? endpoint : `https://${endpoint}`);
  return url === null || url.username !== '' || url.password !== '' ? undefined : url.hostname.toLowerCase();
}
