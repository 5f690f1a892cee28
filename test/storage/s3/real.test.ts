/** What only a real server can tell: large objects, neighbours in one bucket, users without rights, nothing left behind. */

import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { openReplica } from '../../../src/replica/open.ts';
import type { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { makeFile } from '../../support/local-files.ts';
import { describeWith, SERVICE_START_MS } from '../../support/services.ts';
import { chunkedBody, collect, failingBody, getBytes, listKeys, patternBytes } from '../contract/bodies.ts';
import { TestBucket } from './bucket.ts';

const MIB = 1024 * 1024;
const AT = 1_767_225_600_123;

describeWith('s3', 'S3 at a RADOS Gateway', () => {
  let bucket: TestBucket;
  beforeAll(async () => {
    bucket = await TestBucket.create();
  }, SERVICE_START_MS);
  afterEach(() => bucket.empty());

  const txids = async (replica: Replica): Promise<number[]> => {
    const found: number[] = [];
    for await (const { maxTXID } of replica.list(0)) found.push(Number(maxTXID));
    return found;
  };

  test('replicas in one bucket never touch each other, however alike their prefixes are', async () => {
    const prefixes = ['a', 'ab', 'a/b', '', '.', 'a/'];
    const replicas = await Promise.all(prefixes.map((path) => openReplica(bucket.spec({ path }))));
    for (const [i, replica] of replicas.entries()) {
      for (let txid = 1; txid <= i + 1; txid++) {
        await replica.write(0, toTXID(txid), toTXID(txid), bytesBody(makeFile(txid, AT).bytes), { createdAt: AT });
      }
    }
    for (const [i, replica] of replicas.entries()) expect(await txids(replica)).toHaveLength(i + 1);
    const [a] = replicas;
    for await (const file of a?.list(0) ?? []) await a?.delete([file]);
    expect(await txids(a as Replica)).toEqual([]);
    for (const [i, replica] of replicas.entries()) if (i > 0) expect(await txids(replica)).toHaveLength(i + 1);
    for (const replica of replicas) await replica.close();
  });

  test.each([12 * MIB + 1, 10 * MIB])('an object of %d bytes goes in parts and comes back whole and in ranges', async (size) => {
    const bytes = patternBytes(size);
    const store = bucket.store();
    for (const announce of [true, false]) {
      const put = await store.put('large', chunkedBody(bytes, 13, announce), { createdAt: AT });
      expect(await store.stat('large')).toEqual(put);
      expect(Buffer.compare(await getBytes(store, 'large'), bytes)).toBe(0);
    }
    for (const range of [{ offset: 5 * MIB - 3, length: 6 }, { offset: size - 16 }]) {
      const expected = bytes.subarray(range.offset, range.length === undefined ? undefined : range.offset + range.length);
      expect(Buffer.compare(await getBytes(store, 'large', range), expected)).toBe(0);
    }
  });

  test('a large object is created once', async () => {
    const store = bucket.store();
    await store.put('once', chunkedBody(patternBytes(6 * MIB), 6, true), { ifAbsent: true });
    const again = store.put('once', chunkedBody(patternBytes(6 * MIB, 2), 6, true), { ifAbsent: true });
    await expect(again).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(Buffer.compare(await getBytes(store, 'once'), patternBytes(6 * MIB))).toBe(0);
  });

  test('failed uploads leave neither an object nor parts', async () => {
    const store = bucket.store();
    const controller = new AbortController();
    await expect(store.put('failed', failingBody(patternBytes(20 * MIB), new Error('no')))).rejects.toThrow('no');
    const aborted = store.put(
      'aborted',
      {
        async *open() {
          yield patternBytes(17 * MIB);
          controller.abort(new Error('stop'));
          yield patternBytes(17 * MIB);
        },
      },
      { signal: controller.signal },
    );
    await expect(aborted).rejects.toThrow('stop');
    expect(await listKeys(store)).toEqual([]);
    const { endpoint, region, accessKeyID: accessKeyId, secretAccessKey } = bucket.address;
    const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }));
    client.destroy();
    expect(Uploads).toEqual([]);
  });

  test('sixty streams are open at once', async () => {
    const bytes = patternBytes(300_000);
    const store = bucket.store();
    await store.put('k', bytesBody(bytes));
    const opened = await Promise.all(Array.from({ length: 60 }, () => store.open('k')));
    for (const { body } of opened) expect(Buffer.compare(Buffer.concat(await collect(body)), bytes)).toBe(0);
  });

  test('what is refused is told in its own words', async () => {
    const store = bucket.store();
    await store.put('k', bytesBody(patternBytes(1)));
    const { other, accessKeyID, endpoint } = bucket.address;
    const wrong = { credentials: { accessKeyID, secretAccessKey: 'not-the-secret' } };
    await expect(listKeys(bucket.store(wrong))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    await expect(bucket.store(wrong).put('x', bytesBody(patternBytes(1)))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    const unknown = { credentials: { accessKeyID: 'nobody', secretAccessKey: 'nothing' } };
    await expect(listKeys(bucket.store(unknown))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    const stranger = bucket.store({ credentials: other });
    await expect(listKeys(stranger)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(stranger.open('k')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(stranger.stat('k')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(stranger.put('k', bytesBody(patternBytes(2)))).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(stranger.delete(['k'])).rejects.toMatchObject({ code: 'ACCESS_DENIED', details: { failed: ['k'] } });
    const elsewhere = bucket.store({ bucket: 'no-such-bucket-of-ours' });
    const missing = {
      code: 'CONTAINER_NOT_FOUND',
      hint: expect.stringContaining(`no-such-bucket-of-ours does not exist at ${endpoint.slice(7)}`),
    };
    await expect(listKeys(elsewhere)).rejects.toMatchObject(missing);
    await expect(elsewhere.open('k')).rejects.toMatchObject(missing);
    await expect(elsewhere.stat('k')).rejects.toMatchObject(missing);
    await expect(elsewhere.put('k', bytesBody(patternBytes(1)))).rejects.toMatchObject(missing);
    await expect(elsewhere.delete(['k'])).rejects.toMatchObject(missing);
    const encrypted = bucket.store({ serverSideEncryption: 'AES256' });
    await expect(encrypted.put('e', bytesBody(patternBytes(1)))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: expect.stringMatching(/server-side-encryption/),
    });
    expect(await listKeys(store)).toEqual(['k']);
  });

  test('a customer key encrypts, and nothing is read without it', async () => {
    const sseCustomerKey = Buffer.alloc(32, 5).toString('base64');
    const keyed = bucket.store({ credentials: { ...bucket.spec().credentials, sseCustomerKey } });
    const bytes = patternBytes(6 * MIB);
    const attempt = keyed.put('c', bytesBody(bytes));
    // Over plain HTTP the server may refuse keys, as ours does by default.
    const outcome = await attempt.then(
      () => 'stored',
      (error: { code?: string }) => error.code,
    );
    if (outcome !== 'stored') return expect(outcome).toBe('CONFIG_INVALID');
    expect(Buffer.compare(await getBytes(keyed, 'c'), bytes)).toBe(0);
    await expect(bucket.store().open('c')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
