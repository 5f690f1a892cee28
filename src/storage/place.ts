/** What place a spec names: told apart from others, found in the words of a person, and shown (decision 72). */

import { posix } from 'node:path';
import { realPath } from '../base/real-path.ts';
import type { AzureStoreSpec, SSHLogin, StoreSpec } from './spec.ts';

/** What makes two specs the same place, as text to compare: neither permissions nor ways of logging in make another destination. */
export function destinationKey(spec: StoreSpec): string {
  switch (spec.type) {
    case 'file':
      return JSON.stringify(['file', realPath(spec.path)]);
    case 'sftp':
      return JSON.stringify(['sftp', spec.host.toLowerCase(), spec.port ?? 22, spec.user, posix.normalize(spec.path)]);
    case 'webdav':
      return JSON.stringify(['webdav', posixPath(`${spec.endpoint.replace(/\/$/, '')}/${spec.path}`)]);
    case 'nats':
      return JSON.stringify(['nats', [...spec.servers].sort(), spec.bucket, cleanPrefix(spec.path)]);
    case 'abs':
      return JSON.stringify([...azureContainer(spec), cleanPrefix(spec.path)]);
    case 'gs':
      return JSON.stringify(['gs', spec.endpoint ?? '', spec.bucket, cleanPrefix(spec.path)]);
    default:
      return JSON.stringify([spec.type, spec.endpoint ?? '', spec.bucket, spec.path]);
  }
}

/** What makes two specs the same service and container, whatever their paths are there, as text to compare. */
export function containerKey(spec: StoreSpec): string {
  switch (spec.type) {
    case 'file':
      return JSON.stringify(['file', spec.path]);
    case 'sftp':
      return JSON.stringify(['sftp', spec.host.toLowerCase(), spec.port ?? 22, spec.user]);
    case 'webdav':
      return JSON.stringify(['webdav', spec.endpoint.replace(/\/$/, ''), spec.user ?? '']);
    case 'nats':
      return JSON.stringify(['nats', [...spec.servers].sort(), spec.bucket]);
    case 'abs':
      return JSON.stringify(azureContainer(spec));
    default:
      return JSON.stringify([spec.type, spec.endpoint ?? '', spec.bucket]);
  }
}

const cleanPrefix = (path: string): string => posix.join('/', path).replace(/\/$/, '');

const posixPath = (url: string): string => url.replace(/([^:])\/{2,}/g, '$1/').replace(/\/$/, '');

/** Where a spec leads, for people: without users, secrets and parameters. */
export function destinationText(spec: StoreSpec): string {
  switch (spec.type) {
    case 'file':
      return spec.path;
    case 'sftp':
      return `sftp://${authority(spec)}${spec.path.startsWith('/') ? '' : '/~/'}${spec.path}`;
    case 'webdav':
      return `${spec.endpoint}/${spec.path}`.replace(/\/$/, '');
    case 'nats':
      return `nats://${spec.servers.map((server) => server.replace(/^\w+:\/\//, '')).join(',')}/${posix.join(spec.bucket, spec.path)}`;
    case 'abs':
      return azureText(spec);
    default:
      return elsewhere(`${spec.type}://${spec.bucket}/${spec.path}`.replace(/\/$/, ''), spec.endpoint);
  }
}

/** Two services may have buckets of one name. */
const elsewhere = (place: string, endpoint: string | undefined): string =>
  endpoint === undefined || endpoint.replace(/\/+$/, '') === GOOGLE ? place : `${place} at ${endpoint}`;

const GOOGLE = 'https://storage.googleapis.com';

const authority = ({ host, port }: SSHLogin): string => `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;

const azureContainer = (spec: AzureStoreSpec): readonly string[] => {
  const { account = '', endpoint = '' } = azureAccount(spec);
  return ['abs', account, endpoint, spec.bucket];
};

/** As the URL form of an account's address has it; with the account only where the address of another endpoint does not name it. */
function azureText(spec: AzureStoreSpec): string {
  const { account, endpoint } = azureAccount(spec);
  const place = `${spec.bucket}/${spec.path}`.replace(/\/$/, '');
  if (endpoint === undefined) return `abs://${account === undefined ? '' : `${account}.blob.core.windows.net/`}${place}`;
  const isNamed = account === undefined || endpoint.includes(account);
  return elsewhere(`abs://${isNamed ? '' : `${account}@`}${place}`, endpoint);
}

/** Whose container it is, and where unless at the account's own address. A connection string, which is a secret as a whole, wins in saying so. */
function azureAccount({ accountName, endpoint, credentials }: AzureStoreSpec): { readonly account?: string; readonly endpoint?: string } {
  const text = credentials?.connectionString;
  if (text === undefined)
    return { ...(accountName === undefined ? {} : { account: accountName }), ...(endpoint === undefined ? {} : { endpoint }) };
  const field = (name: string): string | undefined => new RegExp(`(?:^|;)\\s*${name}=([^;?]*)`, 'i').exec(text)?.[1];
  if (/UseDevelopmentStorage=true/i.test(text)) return { endpoint: 'http://127.0.0.1:10000/devstoreaccount1' };
  const account = field('AccountName');
  const suffix = field('EndpointSuffix') ?? 'core.windows.net';
  const blob =
    field('BlobEndpoint')?.replace(/\/+$/, '') ?? (suffix === 'core.windows.net' ? undefined : `https://${account ?? ''}.blob.${suffix}`);
  const isOwn = blob === `https://${account ?? ''}.blob.core.windows.net`;
  return { ...(account === undefined ? {} : { account }), ...(blob === undefined || isOwn ? {} : { endpoint: blob }) };
}

/** True when `asked`, which may leave open how it is reached, can only mean the place of `spec`. */
export function isPlaceOf(spec: StoreSpec, asked: StoreSpec): boolean {
  if (spec.type !== asked.type) return false;
  if (spec.type === 'file' || asked.type === 'file') return destinationKey(spec) === destinationKey(asked);
  const [own, open] = [spec, asked] as unknown as readonly [Record<string, unknown>, Record<string, unknown>];
  const isOpenOrSame = (field: string) => (open[field] ?? '') === '' || own[field] === undefined || own[field] === open[field];
  if (!['bucket', 'host', 'port', 'user', 'endpoint', 'accountName'].every(isOpenOrSame)) return false;
  if (spec.type === 'nats' && asked.type === 'nats' && !asked.servers.some((server) => spec.servers.includes(server))) return false;
  return spec.type === 'sftp'
    ? posix.normalize(spec.path) === posix.normalize(asked.path)
    : cleanPrefix(spec.path) === cleanPrefix(asked.path);
}

/** The place of a spec and all places it lies in, nearest first, as text to compare: one place is inside another when this list has the first of the other's. */
export function placesAbove(spec: StoreSpec): readonly string[] {
  const [container, path] =
    spec.type === 'file' ? ['file', realPath(spec.path)] : [containerOf(spec), posix.join('/', spec.path).replace(/(?<=.)\/$/, '')];
  const places = [`${container} ${path}`];
  for (let at = path; at !== '/'; ) {
    at = posix.dirname(at);
    places.push(`${container} ${at}`);
  }
  return places;
}

/** What holds the prefix of a spec. Below a home directory and below the root are two places, as long as nobody asks the server. */
function containerOf(spec: StoreSpec): string {
  const root = spec.type === 'sftp' && !spec.path.startsWith('/') ? '~' : '/';
  return `${root} ${destinationKey({ ...spec, path: root })}`;
}

/** Path of the replica inside the store: '' for stores that are rooted at it. */
export function prefixInStore(spec: StoreSpec): string {
  switch (spec.type) {
    case 'file':
    case 'sftp':
    case 'webdav':
      return '';
    default:
      return spec.path;
  }
}
