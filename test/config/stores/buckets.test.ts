/** Google Cloud Storage, Azure, OSS and NATS: what URLs, keys and variables come to. */

import { describe, expect, test } from 'vitest';
import { resolved, storeOfArgument, storeOfURL } from './support.ts';

describe('gs', () => {
  test.each([
    ['gs://b/a//c/', { type: 'gs', bucket: 'b', path: 'a/c' }],
    ['gs://b', { type: 'gs', bucket: 'b', path: '' }],
    ['gcs://b/my%20dir', { type: 'gs', bucket: 'b', path: 'my dir' }],
    [
      'gs://b/p?endpoint=localhost:4443&keyFile=/k.json&project=x',
      { type: 'gs', bucket: 'b', path: 'p', endpoint: 'http://localhost:4443', keyFile: '/k.json', projectID: 'x' },
    ],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual(wanted);
    expect(storeOfArgument(url)).toEqual(wanted);
  });

  test('gcs is an older word for gs, as a type and as a scheme', () => {
    expect(resolved('type: gcs, bucket: b, path: p/, key-file: ~/k.json')).toMatchObject({
      store: { type: 'gs', bucket: 'b', path: 'p', keyFile: '/nowhere/k.json' },
      findings: [],
    });
    expect(resolved("type: gcs, url: 'gs://b'").findings).toEqual([]);
  });

  test('a missing bucket is an error', () => {
    expect(resolved('type: gs').findings).toEqual([
      'error dbs[0].replicas[0]: a replica of type gs needs a bucket: the key bucket, or a url that names it',
    ]);
    expect(resolved('type: nats').findings).toEqual([
      'error dbs[0].replicas[0]: a replica of type nats needs an object store: the key bucket, or a url that names it',
    ]);
  });
});

describe('abs', () => {
  test.each([
    ['abs://acc@cont/p', { bucket: 'cont', path: 'p', accountName: 'acc' }],
    // The site of the original shows these two; its program takes the host for the container.
    ['abs://acc.blob.core.windows.net/cont/p/q', { bucket: 'cont', path: 'p/q', accountName: 'acc' }],
    ['abs://acc@acc.blob.core.windows.net/cont', { bucket: 'cont', path: '', accountName: 'acc' }],
    [
      'abs://acc.blob.core.chinacloudapi.cn/cont/p',
      { bucket: 'cont', path: 'p', accountName: 'acc', endpoint: 'https://acc.blob.core.chinacloudapi.cn' },
    ],
    ['abs://cont/p?endpoint=http%3A%2F%2F127.0.0.1%3A10000%2Facc', { bucket: 'cont', path: 'p', endpoint: 'http://127.0.0.1:10000/acc' }],
    ['abs://cont/p?accountName=acc', { bucket: 'cont', path: 'p', accountName: 'acc' }],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 'abs', ...wanted });
  });

  const ABS = 'type: abs, bucket: cont, account-name: acc';
  const ENV = { LITESTREAM_AZURE_ACCOUNT_KEY: 'envkey', LITESTREAM_AZURE_SAS_TOKEN: '?envsas' };

  test('a connection string, else a SAS token, else the key; each of the file before the environment', () => {
    const credentials = (keys: string, env = {}) => (resolved(`${ABS}${keys}`, '', env).store as { credentials?: object }).credentials;
    expect(credentials(', sas-token: "?sv=1", account-key: k', ENV)).toEqual({ sasToken: 'sv=1' });
    expect(credentials(', account-key: k')).toEqual({ accountKey: 'k' });
    expect(credentials('', ENV)).toEqual({ sasToken: 'envsas' });
    expect(credentials('', { LITESTREAM_AZURE_ACCOUNT_KEY: 'envkey' })).toEqual({ accountKey: 'envkey' });
    expect(credentials(', connection-string: "A=b"', ENV)).toEqual({ connectionString: 'A=b' });
    expect(credentials('', { LITESTREAM_AZURE_CONNECTION_STRING: 'A=b' })).toEqual({ connectionString: 'A=b' });
    expect(credentials('')).toBeUndefined();
  });

  test('what is given and not used is a finding', () => {
    expect(resolved(`${ABS}, sas-token: s, account-key: k`).findings).toEqual([
      'warning dbs[0].replicas[0].account-key: not used: sas-token is given too',
    ]);
    expect(resolved('type: abs, bucket: c, account-key: k').findings).toContain(
      'warning dbs[0].replicas[0].account-key: without account-name this is half of a pair and not used',
    );
    expect(resolved('type: abs, bucket: c, endpoint: "localhost:1/acc", account-key: k')).toMatchObject({
      store: { credentials: { accountKey: 'k' } },
      findings: [],
    });
  });

  test('without an account, an endpoint or a connection string it is an error', () => {
    expect(resolved('type: abs, bucket: c').findings).toEqual([
      'error dbs[0].replicas[0]: an Azure replica needs the key account-name, or the account before the @ of its url',
    ]);
    expect(resolved('type: abs, bucket: c, connection-string: x').findings).toEqual([]);
  });
});

describe('oss', () => {
  test.each([
    ['oss://b/p', { bucket: 'b', path: 'p' }],
    ['oss://b', { bucket: 'b', path: '.' }],
    ['oss://b/', { bucket: 'b', path: '' }],
    ['oss://b.oss-cn-shanghai.aliyuncs.com/p', { bucket: 'b', path: 'p', region: 'cn-shanghai' }],
    // The original goes out of the region again.
    [
      'oss://b.oss-cn-shanghai-internal.aliyuncs.com/p',
      { bucket: 'b', path: 'p', region: 'cn-shanghai', endpoint: 'https://oss-cn-shanghai-internal.aliyuncs.com' },
    ],
    ['oss://b/p?endpoint=localhost:9', { bucket: 'b', path: 'p', endpoint: 'http://localhost:9' }],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 'oss', ...wanted });
  });

  test('its own variables are its credentials', () => {
    const env = {
      OSS_ACCESS_KEY_ID: 'i',
      OSS_ACCESS_KEY_SECRET: 's',
      OSS_SESSION_TOKEN: 't',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
    };
    expect(resolved('type: oss, bucket: b', '', env).store).toMatchObject({
      credentials: { accessKeyID: 'i', accessKeySecret: 's', securityToken: 't' },
    });
    expect(resolved('type: oss, bucket: b, access-key-id: x, secret-access-key: y', '', env).store).toMatchObject({
      credentials: { accessKeyID: 'x', accessKeySecret: 'y' },
    });
  });
});

describe('nats', () => {
  test.each([
    ['nats://h/b', { servers: ['nats://h:4222'], bucket: 'b', path: '' }],
    ['nats://h:4333/b/pre/fix/', { servers: ['nats://h:4333'], bucket: 'b', path: 'pre/fix' }],
    // User and password are dropped by the original.
    [
      'nats://u:p@h1,h2:4333/b',
      { servers: ['nats://h1:4222', 'nats://h2:4333'], bucket: 'b', path: '', username: 'u', credentials: { password: 'p' } },
    ],
    ['nats://tok@h/b', { servers: ['nats://h:4222'], bucket: 'b', path: '', credentials: { token: 'tok' } }],
    ['nats:///b', { servers: ['nats://127.0.0.1:4222'], bucket: 'b', path: '' }],
    ['nats://[::1]:4222/b?tls=true&timeout=3s', { servers: ['nats://[::1]:4222'], bucket: 'b', path: '', tls: true, timeoutMs: 3000 }],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 'nats', ...wanted });
  });

  test('bucket and path may stand beside a URL that names only servers', () => {
    expect(resolved("url: 'nats://h', bucket: b, path: p").store).toMatchObject({ servers: ['nats://h:4222'], bucket: 'b', path: 'p' });
    expect(resolved("url: 'nats://h/b', path: p").store).toMatchObject({ bucket: 'b', path: 'p' });
    expect(resolved("url: 'nats://h/b/q', path: p").findings).toEqual([
      'error dbs[0].replicas[0].path: path and url are both given; use one of them',
    ]);
  });

  test.each([
    ['jwt: j, seed: s', { credentials: { jwt: 'j', seed: 's' } }],
    ['creds: ~/u.creds', { credsFile: '/nowhere/u.creds' }],
    ['nkey: n', { credentials: { nkey: 'n' } }],
    ['username: u, password: p', { username: 'u', credentials: { password: 'p' } }],
    ['token: t', { credentials: { token: 't' } }],
  ])('%s logs in', (keys, wanted) => {
    expect(resolved(`type: nats, bucket: b, ${keys}`).store).toEqual({
      type: 'nats',
      servers: ['nats://127.0.0.1:4222'],
      bucket: 'b',
      path: '',
      ...wanted,
    });
  });

  test('two methods are an error that names both, half of one is a finding', () => {
    expect(resolved('type: nats, bucket: b, creds: c, token: t').findings).toEqual([
      'error dbs[0].replicas[0].token: two ways to log in, creds, and token: use one of them',
    ]);
    expect(resolved('type: nats, bucket: b, jwt: j').findings).toEqual([
      'warning dbs[0].replicas[0].jwt: without seed this is half of a pair and not used',
    ]);
  });

  test('everything about the connection', () => {
    const keys = 'root-cas: [ca.pem], client-cert: c.pem, client-key: k.pem, max-reconnects: 3, reconnect-wait: 1s, timeout: 4s';
    expect(resolved(`type: nats, bucket: b, servers: [tls://h], ${keys}`).store).toMatchObject({
      servers: ['tls://h:4222'],
      rootCAs: [`${process.cwd()}/ca.pem`],
      clientCert: `${process.cwd()}/c.pem`,
      clientKey: `${process.cwd()}/k.pem`,
      maxReconnects: 3,
      reconnectWaitMs: 1000,
      timeoutMs: 4000,
    });
    expect(resolved('type: nats, bucket: b, client-cert: c.pem').findings).toEqual([
      'error dbs[0].replicas[0].client-cert: client-cert and client-key belong together; client-key is missing',
    ]);
    expect(resolved('type: nats, bucket: b, servers: "nats://u:hunter2hunter2@h"').findings).toEqual([
      'error dbs[0].replicas[0].servers: user and password of a server belong under username and password',
    ]);
  });
});
