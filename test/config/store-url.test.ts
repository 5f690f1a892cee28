/** Replica URLs taken apart. */

import { expect, test } from 'vitest';
import { forgetSecrets, redact } from '../../src/base/redact.ts';
import { isHalfURL, parseReplicaURL, shownURL } from '../../src/config/store-url.ts';
import { STORE_KINDS } from '../../src/config/stores/kinds.ts';

test.each([
  [
    's3://bucket/a/b?x=1&y=2',
    {
      scheme: 's3',
      host: 'bucket',
      path: '/a/b',
      parameters: [
        ['x', '1'],
        ['y', '2'],
      ],
      shown: 's3://bucket/a/b',
    },
  ],
  ['S3://Bucket', { scheme: 's3', host: 'Bucket', path: '', parameters: [], shown: 's3://Bucket' }],
  [
    's3://bucket/my%20dir/100%25',
    { scheme: 's3', host: 'bucket', path: '/my dir/100%', parameters: [], shown: 's3://bucket/my%20dir/100%25' },
  ],
  ['file:///b/my%20dir?x=1', { scheme: 'file', host: '', path: '/b/my%20dir', parameters: [], shown: 'file:///b/my%20dir' }],
  [
    'sftp://me:p%40ss%2Fword@h:22/x',
    { scheme: 'sftp', host: 'h:22', path: '/x', user: 'me', password: 'p@ss/word', parameters: [], shown: 'sftp://h:22/x' },
  ],
  ['sftp://me:p@ss@h/x', { scheme: 'sftp', host: 'h', path: '/x', user: 'me', password: 'p@ss', parameters: [], shown: 'sftp://h/x' }],
  ['sftp://me@[::1]:22/x', { scheme: 'sftp', host: '[::1]:22', path: '/x', user: 'me', parameters: [], shown: 'sftp://[::1]:22/x' }],
  [
    'nats://tok@h1,h2:4222/b/p',
    { scheme: 'nats', host: 'h1,h2:4222', path: '/b/p', user: 'tok', parameters: [], shown: 'nats://h1,h2:4222/b/p' },
  ],
  [
    's3://b/$(date +%Y-%m-%d)/x%20y?region=a',
    { scheme: 's3', host: 'b', path: '/$(date +%Y-%m-%d)/x y', parameters: [['region', 'a']], shown: 's3://b/$(date +%Y-%m-%d)/x%20y' },
  ],
  [
    's3://b/p?endpoint=http%3A%2F%2Flocalhost%3A9000&',
    { scheme: 's3', host: 'b', path: '/p', parameters: [['endpoint', 'http://localhost:9000']], shown: 's3://b/p' },
  ],
])('%s', (text, wanted) => {
  expect(parseReplicaURL(text)).toEqual(wanted);
});

test.each([
  ['no URL', '/srv/x', /not a URL/],
  ['a percent sign of its own', 's3://b/100%', /percent sign is not followed by two hex digits; write %25/],
  ['a fragment', 's3://b/a#b', /"#" begins a fragment.*%23/],
  ['a password with a slash', 'sftp://me:pa/ssword@h/x', /slash in user or password; write %2F/],
])('%s is refused with what to write instead', (_, text, message) => {
  expect(() => parseReplicaURL(text)).toThrow(message);
});

test('no secret of a URL is in a message, a shown URL or, once read, in any text', () => {
  for (const url of ['sftp://me:hunter2hunter2@h/100%', 'sftp://me:hunter2/hunter2@h/x', 'sftp://me:hunter2hunter2@h/a#b']) {
    expect(shownURL(url)).not.toContain('hunter2');
    try {
      parseReplicaURL(url);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain('hunter2');
    }
  }
  expect(shownURL('sftp://me:hunter2hunter2@h/x?agent=1')).toBe('sftp://h/x');
  expect(redact('it was hunter2hunter2')).not.toContain('hunter2');
  forgetSecrets();
});

test.each([
  ['s3:/backups', 's3://backups'],
  ['s3:/backups/app?endpoint=x', 's3://backups/app'],
  ['S3:/backups', 's3://backups'],
  ['gs:/b/p', 'gs://b/p'],
  ['gcs:/b/p', 'gcs://b/p'],
  ['abs:/acc@c/p', 'abs://c/p'],
  ['sftp:/me:hunter2hunter2@h/x', 'sftp://h/x'],
  ['webdav:/h/x', 'webdav://h/x'],
  ['webdavs:/h/x', 'webdavs://h/x'],
  ['nats:/h:4222/b', 'nats://h:4222/b'],
  ['oss:/b/p', 'oss://b/p'],
  ['file:/srv/backups', 'file:///srv/backups'],
  ['s3:backups/app', 's3://backups/app'],
])('%s is refused with the URL that was probably meant: %s', (text, meant) => {
  expect(() => parseReplicaURL(text)).toThrow(`a URL has two slashes after its scheme: ${meant} is probably meant`);
  forgetSecrets();
});

test('one slash too few is noticed for the schemes of all kinds of store, and for no path', () => {
  for (const scheme of STORE_KINDS.flatMap(({ schemes }) => schemes)) {
    expect([scheme, isHalfURL(`${scheme}:/x`), isHalfURL(`${scheme}://x`)]).toEqual([scheme, true, false]);
  }
  for (const path of ['/srv/app.db', 'c:/app.db', './s3:/x', 's3', 'app.db']) expect(isHalfURL(path)).toBe(false);
});
