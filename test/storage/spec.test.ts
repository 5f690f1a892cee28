/** What two specs have to do with each other, and how people see one. */

import { describe, expect, test } from 'vitest';
import { destinationKey, destinationText, isPlaceOf, placesAbove } from '../../src/storage/place.ts';
import { openStore } from '../../src/storage/registry.ts';
import type { StoreSpec } from '../../src/storage/spec.ts';

const S3 = { type: 's3', bucket: 'b', path: 'p' } as const;
const SFTP = { type: 'sftp', host: 'h', user: 'u', path: '/p' } as const;
const NATS = { type: 'nats', servers: ['nats://a:4222', 'nats://b:4222'], bucket: 'k', path: 'p' } as const;
const CONNECTION = 'DefaultEndpointsProtocol=https;AccountName=other;AccountKey=c2VjcmV0';
const ABS = { type: 'abs', bucket: 'c', path: 'p', accountName: 'acc' } as const;

test.each<[StoreSpec, string]>([
  [{ type: 'file', path: '/x' }, '/x'],
  [{ ...S3, credentials: { secretAccessKey: 'secret' } }, 's3://b/p'],
  [{ ...S3, path: '' }, 's3://b'],
  [{ type: 'gs', bucket: 'b', path: 'p' }, 'gs://b/p'],
  [ABS, 'abs://acc.blob.core.windows.net/c/p'],
  [{ ...ABS, path: '' }, 'abs://acc.blob.core.windows.net/c'],
  [{ ...ABS, endpoint: 'http://h' }, 'abs://acc@c/p at http://h'],
  [{ ...ABS, endpoint: 'http://h/acc' }, 'abs://c/p at http://h/acc'],
  [{ type: 'abs', bucket: 'c', path: 'p', credentials: { connectionString: CONNECTION } }, 'abs://other.blob.core.windows.net/c/p'],
  [
    { type: 'abs', bucket: 'c', path: 'p', credentials: { connectionString: `${CONNECTION};EndpointSuffix=core.chinacloudapi.cn` } },
    'abs://c/p at https://other.blob.core.chinacloudapi.cn',
  ],
  [{ type: 'gs', bucket: 'b', path: 'p', endpoint: 'https://storage.googleapis.com/' }, 'gs://b/p'],
  [{ type: 'gs', bucket: 'b', path: 'p', endpoint: 'http://h:4443' }, 'gs://b/p at http://h:4443'],
  [{ ...S3, endpoint: 'https://h' }, 's3://b/p at https://h'],
  [{ ...SFTP, credentials: { password: 'secret' } }, 'sftp://h/p'],
  [{ ...SFTP, port: 2222, path: 'x', host: '::1' }, 'sftp://[::1]:2222/~/x'],
  [{ type: 'webdav', endpoint: 'https://h/dav', path: 'p', user: 'u' }, 'https://h/dav/p'],
  [{ ...NATS, credentials: { token: 'secret' } }, 'nats://a:4222,b:4222/k/p'],
  [{ type: 'oss', bucket: 'b', path: 'p' }, 'oss://b/p'],
])('people see %o as %s', (spec, text) => {
  expect(destinationText(spec)).toBe(text);
});

test('what a store calls its destination tells two accounts and two services apart', async () => {
  const specs: readonly StoreSpec[] = [
    ABS,
    { ...ABS, accountName: 'other' },
    { ...ABS, endpoint: 'http://h/acc' },
    { type: 'gs', bucket: 'c', path: 'p' },
    { type: 'gs', bucket: 'c', path: 'p', endpoint: 'http://127.0.0.1:4443' },
  ];
  const stores = await Promise.all(specs.map((spec) => openStore(spec)));
  expect(stores.map(({ destination }) => destination)).toEqual(specs.map(destinationText));
  expect(new Set(specs.map(destinationText)).size).toBe(specs.length);
  await Promise.all(stores.map((store) => store.close()));
});

describe('the same place', () => {
  test.each<[string, StoreSpec, StoreSpec, boolean]>([
    ['another way of logging in', { ...S3, credentials: { accessKeyID: 'a' } }, S3, true],
    ['another prefix', { ...S3, path: 'q' }, S3, false],
    ['a slash more, which S3 keeps', { ...S3, path: 'p/' }, S3, false],
    ['a slash more, which Google does not', { type: 'gs', bucket: 'b', path: 'p/' }, { type: 'gs', bucket: 'b', path: 'p' }, true],
    ['another endpoint', { ...S3, endpoint: 'https://x' }, S3, false],
    ['another account', { ...ABS, accountName: 'other' }, ABS, false],
    ['another account in a connection string', { ...ABS, credentials: { connectionString: CONNECTION } }, ABS, false],
    [
      'an account by name and by connection string',
      { ...ABS, credentials: { connectionString: CONNECTION.replace('other', 'acc') } },
      ABS,
      true,
    ],
    ['the servers in another order', { ...NATS, servers: [...NATS.servers].reverse() }, NATS, true],
    ['another port', { ...SFTP, port: 2222 }, SFTP, false],
    ['the default port', { ...SFTP, port: 22 }, SFTP, true],
  ])('%s', (_, a, b, same) => {
    expect(destinationKey(a) === destinationKey(b)).toBe(same);
  });
});

describe('one place inside another', () => {
  test.each<[string, StoreSpec, StoreSpec, boolean]>([
    ['below it', { ...S3, path: 'p/q' }, S3, true],
    ['with a longer name', { ...S3, path: 'pq' }, S3, false],
    ['below the root of the bucket', S3, { ...S3, path: '' }, true],
    ['in another bucket', { ...S3, path: 'p/q', bucket: 'c' }, S3, false],
    ['of another kind', { type: 'gs', bucket: 'b', path: 'p/q' }, S3, false],
    ['below the home directory and below the root', { ...SFTP, path: 'p/q' }, { ...SFTP, path: '/p' }, false],
    ['below the same directory of the home directory', { ...SFTP, path: 'p/q' }, { ...SFTP, path: 'p' }, true],
    ['for another user', { ...SFTP, path: '/p/q', user: 'v' }, SFTP, false],
    ['below a directory', { type: 'file', path: '/x/y' }, { type: 'file', path: '/x' }, true],
  ])('%s', (_, inner, outer, within) => {
    expect(placesAbove(inner).includes(placesAbove(outer)[0] ?? '')).toBe(within);
  });
});

describe('a place that is asked for with something left open', () => {
  test.each<[string, StoreSpec, StoreSpec, boolean]>([
    ['the endpoint', { ...S3, endpoint: 'https://x' }, S3, true],
    ['nothing, and another endpoint', { ...S3, endpoint: 'https://x' }, { ...S3, endpoint: 'https://y' }, false],
    ['the account', ABS, { type: 'abs', bucket: 'c', path: 'p' }, true],
    ['nothing, and another account', ABS, { ...ABS, accountName: 'other' }, false],
    ['the user', SFTP, { ...SFTP, user: '' }, true],
    ['all servers but one', NATS, { ...NATS, servers: ['nats://b:4222'] }, true],
    ['nothing, and no common server', NATS, { ...NATS, servers: ['nats://c:4222'] }, false],
    ['an odd spelling', { ...S3, path: '' }, { ...S3, path: '.' }, true],
    ['another prefix', S3, { ...S3, path: 'q' }, false],
  ])('%s', (_, spec, asked, is) => {
    expect(isPlaceOf(spec, asked)).toBe(is);
  });
});
