/** S3: what URLs, keys and variables come to. What the original gets wrong is told where it is tested. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempDirectory } from '../../support/temp-directory.ts';
import { resolved, storeOfArgument, storeOfURL } from './support.ts';

const S3 = 'type: s3, bucket: b';

describe('the host of a URL', () => {
  test.each([
    ['s3://bucket/p', { bucket: 'bucket', path: 'p' }],
    ['s3://my.bucket.name/p', { bucket: 'my.bucket.name', path: 'p' }],
    ['s3://b.s3.amazonaws.com/p', { bucket: 'b', path: 'p' }],
    ['s3://b.s3.eu-west-1.amazonaws.com/p', { bucket: 'b', path: 'p', region: 'eu-west-1' }],
    ['s3://a.b.s3-eu-west-1.amazonaws.com/p', { bucket: 'a.b', path: 'p', region: 'eu-west-1' }],
    ['s3://b.s3.cn-north-1.amazonaws.com.cn/p', { bucket: 'b', path: 'p', region: 'cn-north-1' }],
    [
      's3://mybkt.localhost:9000/',
      { bucket: 'mybkt', path: '', region: 'us-east-1', endpoint: 'http://localhost:9000', forcePathStyle: true },
    ],
    // The original takes the whole host for a bucket where `.com` and a port meet.
    [
      's3://b.minio.example.com:9000/p',
      { bucket: 'b', path: 'p', region: 'us-east-1', endpoint: 'http://minio.example.com:9000', forcePathStyle: true },
    ],
    [
      's3://b.minio.example.org:443/p',
      { bucket: 'b', path: 'p', region: 'us-east-1', endpoint: 'https://minio.example.org:443', forcePathStyle: true },
    ],
    [
      's3://b.nyc3.digitaloceanspaces.com/p',
      { bucket: 'b', path: 'p', region: 'nyc3', endpoint: 'https://nyc3.digitaloceanspaces.com', forcePathStyle: false },
    ],
    [
      's3://b.s3.us-west-002.backblazeb2.com/p',
      { bucket: 'b', path: 'p', region: 'us-west-002', endpoint: 'https://s3.us-west-002.backblazeb2.com', forcePathStyle: true },
    ],
    // Without a scheme in the original.
    ['s3://b.s3.filebase.com/p', { bucket: 'b', path: 'p', endpoint: 'https://s3.filebase.com', forcePathStyle: true }],
    [
      's3://b.s3.fr-par.scw.cloud/p',
      { bucket: 'b', path: 'p', region: 'fr-par', endpoint: 'https://s3.fr-par.scw.cloud', forcePathStyle: false },
    ],
    [
      's3://b.fsn1.your-objectstorage.com/p',
      { bucket: 'b', path: 'p', region: 'fsn1', endpoint: 'https://fsn1.your-objectstorage.com', forcePathStyle: false },
    ],
    [
      's3://b.acc0.r2.cloudflarestorage.com/p',
      { bucket: 'b', path: 'p', region: 'auto', endpoint: 'https://acc0.r2.cloudflarestorage.com' },
    ],
    [
      's3://b.acc0.eu.r2.cloudflarestorage.com/p',
      { bucket: 'b', path: 'p', region: 'auto', endpoint: 'https://acc0.eu.r2.cloudflarestorage.com' },
    ],
    ['s3://b.fly.storage.tigris.dev/p', { bucket: 'b', path: 'p', region: 'auto', endpoint: 'https://fly.storage.tigris.dev' }],
    ['s3://b.storage.googleapis.com/p', { bucket: 'b', path: 'p', endpoint: 'https://storage.googleapis.com' }],
    [
      's3://arn:aws:s3:eu-west-1:123456789012:accesspoint/point/a/b',
      { bucket: 'arn:aws:s3:eu-west-1:123456789012:accesspoint/point', path: 'a/b', region: 'eu-west-1' },
    ],
    [
      's3://arn:aws:s3:eu-west-1:1:accesspoint/point',
      { bucket: 'arn:aws:s3:eu-west-1:1:accesspoint/point', path: '', region: 'eu-west-1' },
    ],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 's3', ...wanted });
    expect(storeOfArgument(url)).toEqual({ type: 's3', ...wanted });
  });

  test.each(['s3://localhost:9000/p', 's3://127.0.0.1:9000/p', 's3://[::1]:9000/p'])('%s names no bucket', (url) => {
    expect(() => storeOfURL(url)).toThrow(/names a server and no bucket; write s3:\/\/BUCKET\/PREFIX\?endpoint=http:\/\//);
  });

  test('plain http to a server out in the world is a finding, in the house it is none', () => {
    expect(resolved("url: 's3://b.minio.example.org:9000/p'").findings).toEqual([
      'warning dbs[0].replicas[0].url: http://minio.example.org:9000 is not encrypted on its way: use https',
    ]);
    for (const host of ['localhost', '10.1.2.3', '172.16.0.1', 'minio', 'nas.local', 'x.internal'])
      expect(resolved(`${S3}, endpoint: 'http://${host}:9000'`).findings).toEqual([]);
  });
});

describe('odd forms of the path stay as the original writes them', () => {
  test.each([
    ["url: 's3://b'", '.'],
    ["url: 's3://b?region=x'", '.'],
    ["url: 's3://b/'", ''],
    ["url: 's3://b//a//c/'", 'a/c'],
    [S3, ''],
    [`${S3}, path: a/`, 'a/'],
    [`${S3}, path: /a`, '/a'],
    [`${S3}, path: .`, '.'],
  ])('%s', (keys, path) => {
    expect(resolved(keys).store?.path).toBe(path);
  });
});

describe('parameters of a URL', () => {
  const ALL = {
    endpoint: ['https://x.example', 'endpoint', 'https://x.example'],
    region: ['eu', 'region', 'eu'],
    'force-path-style': ['true', 'forcePathStyle', true],
    'skip-verify': ['true', 'skipVerify', true],
    'sign-payload': ['0', 'signPayload', false],
    'require-content-md5': ['no', 'requireContentMD5', false],
    'storage-class': ['STANDARD_IA', 'storageClass', 'STANDARD_IA'],
    'part-size': ['8388608', 'partSize', 8_388_608],
    concurrency: ['2', 'concurrency', 2],
    'sse-kms-key-id': ['alias/x', 'sseKmsKeyID', 'alias/x'],
    'server-side-encryption': ['none', 'serverSideEncryption', 'none'],
  } as const;

  test.each(Object.entries(ALL))('%s is read in both spellings, in a file and on the command line', (name, [text, field, value]) => {
    const camel = name.replaceAll(/-(\w+)/g, (_, word: string) => (word === 'md5' ? 'MD5' : `${word[0]?.toUpperCase()}${word.slice(1)}`));
    for (const spelling of [name, camel]) {
      const url = `s3://b/p?${spelling}=${encodeURIComponent(text)}`;
      for (const store of [storeOfURL(url), storeOfArgument(url)]) expect(store).toMatchObject({ [field]: value });
    }
  });

  test('part-size takes units, a value that is none is an error and not false or nothing', () => {
    expect(storeOfURL('s3://b/p?partSize=8MiB')).toMatchObject({ partSize: 8 * 1024 * 1024 });
    expect(() => storeOfURL('s3://b/p?partSize=big')).toThrow(/the parameter partSize of the url is not a size/);
    // In the original anything that is not true counts as false.
    expect(() => storeOfURL('s3://b/p?signPayload=maybe')).toThrow(/the parameter signPayload of the url is not true or false/);
  });

  test('an unknown parameter is an error with the nearest known one', () => {
    expect(() => storeOfURL('s3://b/p?regoin=x')).toThrow(/unknown parameter "regoin", did you mean "region"\?/);
    expect(() => storeOfURL('s3://b/p?accessKeyId=x')).toThrow(
      /unknown parameter "accessKeyId"; access-key-id is a key of the configuration only/,
    );
    expect(() => storeOfURL('webdav://h/p?timeout=1')).toThrow(/unknown parameter "timeout"; there are upload-limit/);
  });

  test('a key of the replica wins over the URL, the URL over the top level', () => {
    const keys = "url: 's3://b/p?region=url&skipVerify=true&forcePathStyle=true'";
    // The original lets skipVerify of the URL win, and a path style of the URL over false.
    expect(resolved(`${keys}, region: own, skip-verify: no, force-path-style: no`).store).toMatchObject({
      region: 'own',
      skipVerify: false,
      forcePathStyle: false,
    });
    expect(resolved(keys, 'region: top').store).toMatchObject({ region: 'url' });
    expect(resolved("url: 's3://b/p'", 'region: top').store).toMatchObject({ region: 'top' });
  });

  test('the key of SSE-C is read from a URL, and printed nowhere', () => {
    const key = Buffer.alloc(32, 'k').toString('base64');
    const { store, findings } = resolved(`url: 's3://b/p?sseCustomerKey=${encodeURIComponent(key)}&sseCustomerKeyMD5=x'`);
    expect(findings).toEqual([]);
    expect(store).toMatchObject({ credentials: { sseCustomerKey: key } });
  });
});

describe('endpoints', () => {
  test.each([
    ['localhost:9000', 'http://localhost:9000'],
    ['127.0.0.1:9000', 'http://127.0.0.1:9000'],
    ['172.16.0.1', 'http://172.16.0.1'],
    // The original compares the first letters, and takes these public addresses for private ones.
    ['172.217.1.1', 'https://172.217.1.1'],
    ['10.example.org', 'https://10.example.org'],
    ['minio.local', 'http://minio.local'],
    ['nyc3.digitaloceanspaces.com', 'https://nyc3.digitaloceanspaces.com'],
    ['https://p.supabase.co/storage/v1/s3', 'https://p.supabase.co/storage/v1/s3'],
    ['http://localhost:9000/', 'http://localhost:9000'],
  ])('%s in a key and in a URL is %s', (written, wanted) => {
    // In the original a key without a scheme is https even for this machine.
    expect(resolved(`${S3}, endpoint: '${written}'`).store).toMatchObject({ endpoint: wanted });
    expect(storeOfURL(`s3://b/p?endpoint=${encodeURIComponent(written)}`)).toMatchObject({ endpoint: wanted });
  });

  test('an endpoint with user, password or parameters is refused without repeating it', () => {
    const { findings } = resolved(`${S3}, endpoint: 'https://u:hunter2hunter2@h'`);
    expect(findings).toEqual([expect.stringMatching(/^error .*without user, password and parameters$/)]);
    expect(findings.join()).not.toContain('hunter2');
  });

  test('variables give an endpoint where neither key nor URL does, and never to an address of AWS', () => {
    const env = { LITESTREAM_REPLICA_ENDPOINT: 'r.example', LITESTREAM_S3_ENDPOINT: 's.example', AWS_ENDPOINT_URL_S3: 'https://a.example' };
    expect(resolved(S3, '', env).store).toMatchObject({ endpoint: 'https://r.example' });
    const { LITESTREAM_REPLICA_ENDPOINT: _, ...second } = env;
    expect(resolved(S3, '', second).store).toMatchObject({ endpoint: 'https://s.example' });
    expect(storeOfURL('s3://b/p?endpoint=q.example', env)).toMatchObject({ endpoint: 'https://q.example' });
    expect(storeOfURL('s3://b.s3.amazonaws.com/p', env)).not.toHaveProperty('endpoint');
  });

  test('an endpoint of the top level is not believed against one of the URL', () => {
    const { store, findings } = resolved("url: 's3://b.s3.amazonaws.com/p'", 'endpoint: minio.local');
    expect(store).not.toHaveProperty('endpoint');
    expect(findings).toEqual(['warning endpoint: ignored for dbs[0].replicas[0], whose url says otherwise']);
    expect(resolved("url: 's3://b/p'", 'endpoint: minio.local')).toMatchObject({ store: { endpoint: 'http://minio.local' }, findings: [] });
  });
});

describe('regions', () => {
  test.each([
    ['the key', `${S3}, region: key`, 'key'],
    ['the URL', "url: 's3://b/p?region=url'", 'url'],
    ['LITESTREAM_REPLICA_REGION', S3, 'own'],
  ])('%s wins over AWS_REGION', (_, keys, region) => {
    expect(resolved(keys, '', { LITESTREAM_REPLICA_REGION: 'own', AWS_REGION: 'aws' }).store).toMatchObject({ region });
  });

  test('AWS_REGION is used before the bucket is asked, and not for other services', () => {
    expect(resolved(S3, '', { AWS_REGION: 'aws' }).store).toMatchObject({ region: 'aws' });
    expect(resolved(S3, '', { AWS_DEFAULT_REGION: 'aws' }).store).toMatchObject({ region: 'aws' });
    expect(resolved(`${S3}, endpoint: minio.local`, '', { AWS_REGION: 'aws' }).store).not.toHaveProperty('region');
  });

  test('the region of an access point is that of its name', () => {
    const keys = 'type: s3, bucket: "arn:aws:s3:eu-west-1:1:accesspoint/p", region: us-east-1';
    expect(resolved(keys).store).toMatchObject({ region: 'eu-west-1' });
    expect(resolved(`${keys}, force-path-style: yes`).findings).toEqual([expect.stringContaining('cannot be reached in path style')]);
  });
});

describe('buckets', () => {
  const URL = 's3://mybkt.localhost:9000/';
  const wanted = { bucket: 'mybkt', endpoint: 'http://localhost:9000', forcePathStyle: true, path: 'app' };

  test('a URL as bucket, written or from LITESTREAM_REPLICA_BUCKET, is taken apart', () => {
    expect(resolved(`type: s3, bucket: '${URL}', path: app`).store).toMatchObject(wanted);
    expect(resolved('type: s3, bucket: $BKT, path: app', '', { BKT: URL }).store).toMatchObject(wanted);
    expect(resolved('type: s3, path: app', '', { LITESTREAM_REPLICA_BUCKET: URL }).store).toMatchObject(wanted);
    expect(resolved('type: s3, path: app', '', { LITESTREAM_REPLICA_BUCKET: 's3://b/pre' }).store).toMatchObject({
      bucket: 'b',
      path: 'pre/app',
    });
  });

  test('LITESTREAM_REPLICA_BUCKET alone makes an S3 replica, and gives way to bucket and url', () => {
    const env = { LITESTREAM_REPLICA_BUCKET: 'env' };
    expect(resolved('name: x', '', env).store).toMatchObject({ type: 's3', bucket: 'env' });
    expect(resolved(S3, '', env).store).toMatchObject({ bucket: 'b' });
    expect(resolved("url: 's3://u/p'", '', env).store).toMatchObject({ bucket: 'u' });
    expect(resolved('path: /backups', '', env).store).toEqual({ type: 'file', path: '/backups' });
  });

  test('a bucket of the top level gives way to a URL, with a finding (an error in the original)', () => {
    expect(resolved("url: 's3://u/p'", 'bucket: top')).toMatchObject({
      store: { bucket: 'u' },
      findings: ['warning bucket: ignored for dbs[0].replicas[0], whose url says otherwise'],
    });
    expect(resolved("url: 's3://top/p'", 'bucket: top').findings).toEqual([]);
  });

  test.each([
    ['none', 'type: s3', 'error dbs[0].replicas[0]: an s3 replica needs a bucket: the key bucket, or a url such as s3://BUCKET/PREFIX'],
    ['both', "url: 's3://b/p', bucket: c", 'error dbs[0].replicas[0].bucket: bucket and url are both given; use one of them'],
    ['a path beside a URL', "url: 's3://b', path: c", 'error dbs[0].replicas[0].path: path and url are both given; use one of them'],
    [
      'a prefix in it',
      'type: s3, bucket: b/c',
      'error dbs[0].replicas[0].bucket: this is not the name of a bucket; a prefix belongs under path',
    ],
  ])('%s is an error', (_, keys, message) => {
    expect(resolved(keys).findings).toEqual([message]);
  });
});

describe('credentials', () => {
  const AWS = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'secretenv', AWS_SESSION_TOKEN: 'tokenenv' };
  const OWN = { LITESTREAM_ACCESS_KEY_ID: 'AKIDLS', LITESTREAM_SECRET_ACCESS_KEY: 'secretls' };

  test('keys of the replica, then of the top level, then AWS_*, then LITESTREAM_*', () => {
    const pair = (id: string, secret: string) => ({ credentials: { accessKeyID: id, secretAccessKey: secret } });
    const top = 'access-key-id: top\nsecret-access-key: topsecret';
    expect(resolved(`${S3}, access-key-id: own, secret-access-key: ownsecret`, top, { ...AWS, ...OWN }).store).toMatchObject(
      pair('own', 'ownsecret'),
    );
    expect(resolved(S3, top, { ...AWS, ...OWN }).store).toMatchObject(pair('top', 'topsecret'));
    expect(resolved(S3, '', { ...AWS, ...OWN }).store).toMatchObject(pair('AKIDENV', 'secretenv'));
    expect(resolved(S3, '', OWN).store).toMatchObject(pair('AKIDLS', 'secretls'));
    expect(resolved(S3).store).not.toHaveProperty('credentials');
  });

  test('the session token goes with its pair (the original loses it)', () => {
    expect(resolved(`${S3}, access-key-id: i, secret-access-key: s, session-token: t`).store).toMatchObject({
      credentials: { sessionToken: 't' },
    });
    expect(resolved(S3, '', AWS).store).toMatchObject({ credentials: { sessionToken: 'tokenenv' } });
    const mixed = resolved(`${S3}, access-key-id: i, secret-access-key: s`, '', AWS).store;
    expect(mixed).toMatchObject({ credentials: { accessKeyID: 'i' } });
    expect(JSON.stringify(mixed)).not.toContain('tokenenv');
    expect(JSON.stringify(resolved(S3, '', { ...OWN, AWS_SESSION_TOKEN: 'tokenenv' }).store)).not.toContain('tokenenv');
  });

  test('half a pair in the file is a finding because of which the replica is not used; of the variables it is not used itself', () => {
    expect(resolved(`${S3}, access-key-id: i`)).toMatchObject({
      findings: ['warning dbs[0].replicas[0].access-key-id: without secret-access-key this is half of a pair and not used'],
    });
    expect(resolved(`${S3}, access-key-id: i`).store).toBeUndefined();
    expect(resolved(`${S3}, access-key-id: i`, '', {}, true).store).toBeUndefined();
    expect(resolved(S3, '', { AWS_ACCESS_KEY_ID: 'x' }).findings).toEqual([
      'warning AWS_ACCESS_KEY_ID: without AWS_SECRET_ACCESS_KEY this is half of a pair and not used',
    ]);
    expect(resolved(S3, '', { AWS_ACCESS_KEY_ID: 'x' }).store).toEqual({ type: 's3', bucket: 'b', path: '' });
  });

  test('a half that is a variable which is not set says which one', () => {
    expect(resolved(`${S3}, access-key-id: i, secret-access-key: $MY_SECRET`).findings).toEqual([
      'warning dbs[0].replicas[0].access-key-id: without secret-access-key this is half of a pair and not used',
      'warning dbs[0].replicas[0].secret-access-key: $MY_SECRET is not set and becomes nothing',
    ]);
  });

  test('a profile wins over the variables, and not over a pair', () => {
    expect(resolved(`${S3}, profile: p`, '', AWS).store).toEqual({ type: 's3', bucket: 'b', path: '', profile: 'p' });
    expect(resolved(`${S3}, profile: p, access-key-id: i, secret-access-key: s`).store).not.toHaveProperty('profile');
  });
});

describe('parts and encryption', () => {
  test('5MB is 5,000,000 bytes, which is too small: a finding, and the least size is used', () => {
    expect(resolved(`${S3}, part-size: 5MB`)).toMatchObject({
      store: { partSize: 5_242_880 },
      findings: [
        'warning dbs[0].replicas[0].part-size: 5MB is 5,000,000 bytes and below the least size of a part, 5MiB, which is used instead',
      ],
    });
    expect(resolved(`${S3}, part-size: 5MiB`).findings).toEqual([]);
  });

  test('LITESTREAM_BUFFER_SIZE bounds the parts in flight and the WAL of a file', () => {
    const { store, settings } = resolved(`${S3}, part-size: 10MiB`, '', { LITESTREAM_BUFFER_SIZE: '32MiB' });
    expect(store).toMatchObject({ concurrency: 3 });
    expect(settings?.databases[0]?.settings.maxSyncWALBytes).toBe(32 * 1024 * 1024);
    expect(resolved(`${S3}, concurrency: 9`, '', { LITESTREAM_BUFFER_SIZE: '32MB' }).store).toMatchObject({ concurrency: 9 });
    expect(resolved(S3, '', { LITESTREAM_BUFFER_SIZE: '1MB' }).findings).toEqual([
      'error LITESTREAM_BUFFER_SIZE: "1MB" is too little: one part of an upload is 5MiB, so at least 5MiB are needed',
    ]);
  });

  const KEY = Buffer.alloc(32, 7).toString('base64');
  test.each([
    ['KMS and SSE-C', `sse-kms-key-id: k, sse-customer-key: ${KEY}`, /^error .*sse-kms-key-id and sse-customer-key exclude each other$/],
    ['KMS and none', 'sse-kms-key-id: k, server-side-encryption: none', /^error .*"none" and sse-kms-key-id exclude each other$/],
    ['SSE-C and AES256', `sse-customer-key: ${KEY}, server-side-encryption: AES256`, /^error .*"AES256" and sse-customer-key exclude/],
    ['a key that is no base64', 'sse-customer-key: hunter2hunter2', /^error .*not 32 bytes in base64/],
    ['a key of 16 bytes', `sse-customer-key: ${Buffer.alloc(16).toString('base64')}`, /^error .*not 32 bytes in base64/],
    ['a key sent in the open', `sse-customer-key: ${KEY}, endpoint: 'http://s3.example.org'`, /^error .*needs an https endpoint$/],
    ['another algorithm', 'sse-customer-algorithm: DES', /^error .*"DES" is not one of AES256$/],
    ['a file that is not there', 'sse-customer-key-path: /nowhere/key', /^error .*cannot be read from \/nowhere\/key$/],
    ['an archive class', 'storage-class: DEEP_ARCHIVE', /^warning .*archive class cannot be restored from/],
    ['no check of certificates', 'skip-verify: yes', /^warning .*certificates are not checked/],
  ])('%s', (_, keys, message) => {
    const { findings } = resolved(`${S3}, ${keys}`);
    expect(
      findings.find((text) => message.test(text)),
      findings.join('\n'),
    ).toBeDefined();
    expect(findings.join()).not.toContain('hunter2');
  });

  test('a key file wins over the key, and plain http to this machine is good enough', async () => {
    const temp = await tempDirectory();
    writeFileSync(join(temp.path, 'key'), `${KEY}\n`);
    const other = Buffer.alloc(32, 8).toString('base64');
    const keys = `${S3}, endpoint: 'localhost:9000', sse-customer-key: ${other}, sse-customer-key-path: ${temp.path}/key`;
    expect(resolved(keys)).toMatchObject({ findings: [], store: { credentials: { sseCustomerKey: KEY } } });
    await temp.remove();
  });
});
