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
      return JSON.stringify(['abs', spec.accountName ?? '', spec.endpoint ?? '', spec.bucket, cleanPrefix(spec.path)]);
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
      return JSON.stringify(['abs', spec.accountName ?? '', spec.endpoint ?? '', spec.bucket]);
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
      return `${azureContainer(spec)}/${spec.path}`.replace(/\/$/, '');
    default:
      return `${spec.type}://${spec.bucket}/${spec.path}`.replace(/\/$/, '');
  }
}

const authority = ({ host, port }: SSHLogin): string => `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;

/** With the account in front, as the URL form of an account's address has it. */
const azureContainer = ({ accountName, endpoint, bucket }: AzureStoreSpec): string =>
  accountName === undefined || endpoint !== undefined ? `abs://${bucket}` : `abs://${accountName}.blob.core.windows.net/${bucket}`;

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
