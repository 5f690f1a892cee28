/** One test a row of what is known of providers: what goes over the wire for each. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { PROVIDERS, providerOf, regionInEndpoint } from '../../../src/storage/s3/providers.ts';
import type { S3StoreSpec } from '../../../src/storage/spec.ts';
import { chunkedBody, collect, patternBytes } from '../contract/bodies.ts';
import { errorAnswer, ScriptedS3, type SeenRequest } from './scripted-s3.ts';

const MIB = 1024 * 1024;

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

/** Everything a store does, in small. */
async function visit(spec: Partial<S3StoreSpec>, { ifAbsent = false } = {}): Promise<readonly SeenRequest[]> {
  const store = server.store(spec);
  await collect(store.list('db/0000/'));
  await store.put('db/0000/small', bytesBody(patternBytes(100)), { createdAt: 5000, ifAbsent });
  await store.put('db/0000/large', chunkedBody(patternBytes(11 * MIB), 11, true), { createdAt: 5000 });
  await store.stat('db/0000/small');
  const opened = await store.open('db/0000/small');
  await opened.close();
  await store.delete(['db/0000/small', 'db/0000/large']);
  return server.seen;
}

/** What the pickiest service demands of every request. */
function expectPlain(seen: readonly SeenRequest[]): void {
  expect(seen.length).toBeGreaterThan(8);
  for (const { headers, body, verb } of seen) {
    expect(headers['transfer-encoding'], verb).toBeUndefined();
    expect(headers['content-encoding'], verb).toBeUndefined();
    expect(headers.expect, verb).toBeUndefined();
    expect(headers['accept-encoding'], verb).toBeUndefined();
    expect(headers['x-amz-trailer'], verb).toBeUndefined();
    expect(
      Object.keys(headers).filter((name) => /^x-amz-(checksum|sdk-checksum)/.test(name)),
      verb,
    ).toEqual([]);
    if (['put', 'part', 'complete', 'delete-many'].includes(verb)) expect(headers['content-length'], verb).toBe(String(body.byteLength));
    expect(headers['x-amz-content-sha256'], verb).toMatch(/^[0-9a-f]{64}$/);
  }
}

const regionSigned = ({ headers }: SeenRequest): string | undefined =>
  /Credential=AKID\/\d+\/([^/]+)\/s3/.exec(headers.authorization ?? '')?.[1];

describe('a request looks to every provider as it takes it', () => {
  test('AWS: virtual host, SSE-S3, conditions kept also at the end of an upload', async () => {
    const seen = await visit({ region: 'eu-west-1' }, { ifAbsent: true });
    expectPlain(seen);
    expect(new Set(server.origins)).toEqual(new Set(['https://bucket.s3.eu-west-1.amazonaws.com']));
    expect(server.of('put')[0]?.headers).toMatchObject({ 'x-amz-server-side-encryption': 'AES256', 'if-none-match': '*' });
    expect(server.of('create')[0]?.headers['x-amz-server-side-encryption']).toBe('AES256');
    expect(server.of('delete-many')[0]?.headers['content-md5']).toBeDefined();
    await server.store({ region: 'eu-west-1' }).put('k', chunkedBody(patternBytes(6 * MIB), 6, true), { ifAbsent: true });
    expect(server.of('complete').at(-1)?.headers['if-none-match']).toBe('*');
  });

  test('MinIO and any unknown endpoint: path style, plain bodies, Content-MD5 on deletes, no SSE', async () => {
    const seen = await visit({ endpoint: server.endpoint });
    expectPlain(seen);
    expect(seen.every(({ path }) => path.startsWith('/bucket'))).toBe(true);
    expect(seen.every((request) => regionSigned(request) === 'us-east-1')).toBe(true);
    expect(server.of('put')[0]?.headers['x-amz-server-side-encryption']).toBeUndefined();
    expect(server.of('delete-many')[0]?.headers['content-md5']).toBeDefined();
    for (const { headers } of seen) for (const extra of ['amz-sdk-request', 'x-amz-user-agent']) expect(headers[extra]).toBeUndefined();
  });

  test('Cloudflare R2: region auto, two parts in flight, all but the last of one size', async () => {
    const held: (() => void)[] = [];
    let most = 0;
    // Parts are answered two by two, a moment after the second has come: a third one would have come, too.
    server.script = ({ verb, body }) => {
      if (verb !== 'part') return undefined;
      return (response) => {
        held.push(() => response.writeHead(200, { etag: `"${body.byteLength}"` }).end());
        most = Math.max(most, held.length);
        if (held.length !== 2) return;
        setTimeout(() => {
          for (const answer of held.splice(0)) answer();
        }, 50);
      };
    };
    const store = server.store({ endpoint: 'https://acc.r2.cloudflarestorage.com' });
    await store.put('k', chunkedBody(patternBytes(27 * MIB), 27, true));
    expect(most).toBe(2);
    const bySize = server.of('part').sort((a, b) => Number(a.query.get('partNumber')) - Number(b.query.get('partNumber')));
    expect(bySize.map(({ body }) => body.byteLength / MIB)).toEqual([5, 5, 5, 5, 5, 2]);
    expect(regionSigned(server.of('put')[0] ?? server.seen[0] ?? ({} as SeenRequest))).toBe('auto');
    expect(server.of('create')[0]?.headers['x-amz-server-side-encryption']).toBeUndefined();
  });

  test('Backblaze B2: no checksum headers, region of the host, no conditions, SSE-S3', async () => {
    const spec = { endpoint: 'https://s3.us-west-004.backblazeb2.com' };
    const seen = await visit(spec);
    expectPlain(seen);
    expect(new Set(seen.map(regionSigned))).toEqual(new Set(['us-west-004']));
    expect(server.of('put')[0]?.headers['x-amz-server-side-encryption']).toBe('AES256');
    const before = server.seen.length;
    const store = server.store(spec);
    expect(store.capabilities).toMatchObject({ conditionalPut: false, conditionalReplace: false });
    await expect(store.put('k', bytesBody(patternBytes(1)), { ifAbsent: true })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(store.put('k', bytesBody(patternBytes(1)), { ifMatch: 'x' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(server.seen.length).toBe(before);
  });

  test.each(['fly.storage.tigris.dev', 't3.storage.dev'])(
    'Tigris (%s): the consistency header on every request, no MD5, region auto',
    async (host) => {
      const seen = await visit({ endpoint: `https://${host}` });
      expect(seen.every(({ headers }) => headers['x-tigris-consistent'] === 'true')).toBe(true);
      expect(seen.every((request) => regionSigned(request) === 'auto')).toBe(true);
      expect(seen.every(({ headers }) => headers.authorization?.includes('x-tigris-consistent'))).toBe(true);
      expect(server.of('delete-many')[0]?.headers['content-md5']).toBeUndefined();
    },
  );

  test('nobody else gets the Tigris header, similar names included', async () => {
    for (const endpoint of ['https://other.tigris.dev', 'https://t3.storage.dev.example.com', server.endpoint]) {
      await collect(server.store({ endpoint }).list(''));
    }
    expect(server.seen.map(({ headers }) => headers['x-tigris-consistent'])).toEqual([undefined, undefined, undefined]);
  });

  test('DigitalOcean Spaces: virtual host', async () => {
    expectPlain(await visit({ endpoint: 'https://fra1.digitaloceanspaces.com' }));
    expect(new Set(server.origins)).toEqual(new Set(['https://bucket.fra1.digitaloceanspaces.com']));
    expect(server.seen.every((request) => regionSigned(request) === 'fra1')).toBe(true);
  });

  test('Scaleway: a Content-Length with every body, and parts for an object of a thousand of them', async () => {
    expectPlain(await visit({ endpoint: 'https://s3.nl-ams.scw.cloud' }));
    expect(regionSigned(server.seen[0] as SeenRequest)).toBe('nl-ams');
    expect(providerOf('https://s3.nl-ams.scw.cloud').maxParts).toBe(1000);
  });

  test('Hetzner: region of the host, plain signed bodies', async () => {
    expectPlain(await visit({ endpoint: 'https://fsn1.your-objectstorage.com' }));
    expect(regionSigned(server.seen[0] as SeenRequest)).toBe('fsn1');
  });

  test('Filebase: an endpoint without scheme, path style, us-east-1', async () => {
    expectPlain(await visit({ endpoint: 's3.filebase.com' }));
    expect(new Set(server.origins)).toEqual(new Set(['https://s3.filebase.com']));
    expect(server.seen.every((request) => request.path.startsWith('/bucket') && regionSigned(request) === 'us-east-1')).toBe(true);
  });

  test('Supabase: the path of the endpoint survives, and a batch delete that is not implemented becomes single ones', async () => {
    server.script = ({ verb }) => (verb === 'delete-many' ? errorAnswer(501, 'NotImplemented') : undefined);
    const seen = await visit({ endpoint: 'https://proj.supabase.co/storage/v1/s3' });
    expect(seen.every(({ path }) => path.startsWith('/storage/v1/s3/bucket'))).toBe(true);
    expect(server.of('delete').map(({ path }) => path)).toEqual([
      '/storage/v1/s3/bucket/db/0000/small',
      '/storage/v1/s3/bucket/db/0000/large',
    ]);
  });

  test('Google Cloud Storage: single deletes at once, no conditions, Accept-Encoding neither sent nor signed', async () => {
    const seen = await visit({ endpoint: 'https://storage.googleapis.com' });
    expectPlain(seen);
    expect(server.of('delete-many')).toEqual([]);
    expect(server.of('delete').length).toBe(2);
    expect(server.store({ endpoint: 'https://storage.googleapis.com' }).capabilities.conditionalPut).toBe(false);
  });

  test('Wasabi, Linode, Oracle: region of the host', async () => {
    const hosts = {
      's3.eu-central-1.wasabisys.com': 'eu-central-1',
      'us-east-1.linodeobjects.com': 'us-east-1',
      'ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com': 'eu-frankfurt-1',
    };
    for (const [host, region] of Object.entries(hosts)) {
      server.seen.length = 0;
      expectPlain(await visit({ endpoint: `https://${host}` }));
      expect(
        server.seen.every((request) => regionSigned(request) === region),
        host,
      ).toBe(true);
      expect(server.of('delete-many')[0]?.headers['content-md5'], host).toBeDefined();
    }
  });

  test('Garage: Accept-Encoding is neither sent nor signed, the region of the configuration is', async () => {
    expectPlain(await visit({ endpoint: 'https://garage.example.com', region: 'garage' }));
    expect(server.seen.every(({ headers }) => !headers.authorization?.includes('accept-encoding'))).toBe(true);
    expect(regionSigned(server.seen[0] as SeenRequest)).toBe('garage');
  });

  test('Alibaba over S3: virtual host only', async () => {
    await collect(server.store({ endpoint: 'https://s3.oss-cn-hangzhou.aliyuncs.com' }).list(''));
    expect(server.origins).toEqual(['https://bucket.s3.oss-cn-hangzhou.aliyuncs.com']);
  });
});

test('the configuration wins over what is known of a provider', async () => {
  const endpoint = 'https://fra1.digitaloceanspaces.com';
  await visit({
    endpoint,
    forcePathStyle: true,
    requireContentMD5: false,
    signPayload: false,
    region: 'x-1',
    serverSideEncryption: 'AES256',
  });
  expect(new Set(server.origins)).toEqual(new Set([endpoint]));
  expect(server.of('delete-many')[0]?.headers['content-md5']).toBeUndefined();
  expect(server.of('put')[0]?.headers).toMatchObject({
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-server-side-encryption': 'AES256',
  });
  expect(regionSigned(server.seen[0] as SeenRequest)).toBe('x-1');
});

test.each([
  ['https://s3.amazonaws.com', 'aws'],
  ['https://s3.cn-north-1.amazonaws.com.cn', 'aws'],
  ['https://vpce-1-a.s3.us-east-1.vpce.amazonaws.com', 'aws'],
  ['https://amazonaws.com.example.org', 'generic'],
  ['https://ACC.R2.CloudflareStorage.com', 'cloudflare-r2'],
  ['acc.eu.r2.cloudflarestorage.com', 'cloudflare-r2'],
  ['https://r2.cloudflarestorage.com.evil.org', 'generic'],
  ['https://s3.eu-central-003.backblazeb2.com', 'backblaze-b2'],
  ['https://xs3.filebase.com', 'generic'],
  ['https://storage.googleapis.com', 'google-cloud-storage'],
  ['https://eu-storage.googleapis.com', 'google-cloud-storage'],
  ['https://my.storage.googleapis.com.example.com', 'generic'],
  ['https://notstorage.googleapis.com', 'generic'],
  ['http://user:pw@t3.storage.dev', 'generic'],
  ['http://localhost:9000', 'generic'],
  ['https://minio.example.com:9000', 'generic'],
])('%s is taken for %s', (endpoint, name) => {
  expect(providerOf(endpoint).name).toBe(name);
});

test('every row has a name of its own, and known endpoints tell their region', () => {
  expect(new Set(PROVIDERS.map(({ name }) => name)).size).toBe(PROVIDERS.length);
  const region = (endpoint: string) => regionInEndpoint(endpoint, providerOf(endpoint));
  expect(region('https://bucket.vpce-1.s3.eu-west-3.vpce.amazonaws.com')).toBe('eu-west-3');
  expect(region('https://s3.dualstack.us-west-2.amazonaws.com')).toBe('us-west-2');
  expect(region('https://s3-fips.us-gov-west-1.amazonaws.com')).toBe('us-gov-west-1');
  expect(region('https://s3.amazonaws.com')).toBeUndefined();
  expect(region('http://localhost:9000')).toBeUndefined();
});
