import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { endAbandonedUploads } from '../../../src/replica/abandoned.ts';
import { concatenatedLayout } from '../../../src/replica/layout.ts';
import { openReplica, wrapStore } from '../../../src/replica/open.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { S3Store } from '../../../src/storage/s3/store.ts';
import type { StoreOperation } from '../../../src/storage/wrap/meter.ts';
import { describeWith, SERVICE_START_MS } from '../../support/services.ts';
import { listKeys, patternBytes } from '../contract/bodies.ts';
import { TestBucket } from './bucket.ts';
import { type Answer, errorAnswer, ScriptedS3, type SeenRequest, xml } from './scripted-s3.ts';

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const NAME = '0000000000000001-0000000000000001.ltx';

/** This machine, so much later. */
const later = (ms: number): typeof systemClock => ({
  now: () => systemClock.now() + ms,
  monotonic: () => systemClock.monotonic(),
  sleep: (delay, options) => systemClock.sleep(delay, options),
});

describeWith('s3', 'uploads that a killed process has left at a RADOS Gateway', () => {
  let bucket: TestBucket;
  let client: S3Client;
  beforeAll(async () => {
    bucket = await TestBucket.create();
    const { endpoint, region, accessKeyID: accessKeyId, secretAccessKey } = bucket.address;
    client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
    return () => client.destroy();
  }, SERVICE_START_MS);
  afterEach(() => bucket.empty());

  /** Two parts of an object that never comes to be. */
  async function leave(Key: string): Promise<void> {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key }));
    for (const PartNumber of [1, 2])
      await client.send(new UploadPartCommand({ Bucket: bucket.name, Key, UploadId, PartNumber, Body: patternBytes(5 * MIB) }));
  }

  const left = async (): Promise<string[]> => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }));
    return Uploads.map(({ Key = '' }) => Key).sort();
  };

  function replicaAt(path: string, ms: number, onRequest?: (operation: StoreOperation) => void): Replica {
    const spec = bucket.spec({ path });
    const store = new S3Store(spec, { clock: later(ms) });
    return new Replica(wrapStore(store, spec, onRequest === undefined ? {} : { meter: onRequest }), concatenatedLayout, path);
  }

  test('are ended after a day, with all their parts, where they are those of this replica; others and objects stay', async () => {
    const own = [`db/0000/${NAME}`, `db/0009/${NAME}`, `db/0001/${NAME}.age`];
    const foreign = [`db2/0000/${NAME}`, `db/x/0000/${NAME}`, 'db/0000/photo.jpg', `0000/${NAME}`, `/0000/${NAME}`];
    for (const key of [...own, ...foreign]) await leave(key);
    await bucket.store().put(`db/0000/${NAME}`, { open: async function* () {} });

    const young = replicaAt('db', DAY - 3_600_000);
    expect(await endAbandonedUploads(young)).toBe(0);
    expect(await left()).toHaveLength(own.length + foreign.length);

    const requests: StoreOperation[] = [];
    const old = replicaAt('db', DAY + 60_000, (operation) => requests.push(operation));
    expect(await endAbandonedUploads(old)).toBe(own.length);
    expect(await left()).toEqual([...foreign].sort());
    expect(await endAbandonedUploads(old)).toBe(0);
    expect(requests.map(({ operation, requests: count }) => [operation, count])).toEqual([
      ['LIST', 7],
      ['LIST', 1],
    ]);
    expect(await listKeys(bucket.store())).toEqual([`db/0000/${NAME}`]);

    const atTheRoot = replicaAt('', DAY + 60_000);
    expect(await endAbandonedUploads(atTheRoot)).toBe(1);
    expect(await left()).toEqual(foreign.filter((key) => !key.startsWith('/')).sort());
    for (const replica of [young, old, atTheRoot]) await replica.close();
  });

  test('are not touched by who may not, and by who holds no right to write', async () => {
    await leave(`db/0000/${NAME}`);
    const stranger = await openReplica(bucket.spec({ path: 'db', credentials: bucket.address.other }));
    await expect(endAbandonedUploads(stranger)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    const guarded = replicaAt('db', 2 * DAY);
    guarded.guardWrites(() => {
      throw new Error('not now');
    });
    await expect(endAbandonedUploads(guarded)).rejects.toThrow('not now');
    expect(await left()).toContain(`db/0000/${NAME}`);
    for (const replica of [stranger, guarded]) await replica.close();
  });
});

describe('what the service says of uploads', () => {
  let s3: ScriptedS3;
  beforeEach(async () => {
    s3 = await ScriptedS3.start();
  });
  afterEach(() => s3.stop());

  const NOW = Date.now();
  const at = (ageMs: number): string => new Date(NOW - ageMs).toISOString();
  const upload = (key: string, id: string, ageMs: number): string =>
    `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at(ageMs)}</Initiated></Upload>`;
  const uploads = (items: readonly string[], next = ''): Answer => ({
    body: xml(
      `<ListMultipartUploadsResult><Bucket>bucket</Bucket><IsTruncated>${next !== ''}</IsTruncated>${next}${items.join('')}</ListMultipartUploadsResult>`,
    ),
  });
  const parts = (ages: readonly number[], next?: number): Answer => ({
    body: xml(
      `<ListPartsResult><Bucket>bucket</Bucket><IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextPartNumberMarker>${next}</NextPartNumberMarker>`}` +
        `${ages.map((age, i) => `<Part><PartNumber>${i + 1}</PartNumber><LastModified>${at(age)}</LastModified><ETag>"e"</ETag><Size>5</Size></Part>`).join('')}</ListPartsResult>`,
    ),
  });
  const isUploads = ({ query }: SeenRequest): boolean => query.has('uploads');
  const ended = (): (string | null)[] => s3.of('abort').map(({ query }) => query.get('uploadId'));
  const end = (isOurs = (_: string) => true): Promise<number> =>
    s3.store({ endpoint: s3.endpoint }).endAbandoned('db/', { idleMs: DAY, isOurs });

  test('pages are followed to their end before anything is ended', async () => {
    s3.script = (request) => {
      if (request.verb !== 'get') return undefined;
      if (!isUploads(request)) return parts([3 * DAY]);
      if (request.query.get('key-marker') !== 'db/a')
        return uploads([upload('db/a', 'one', 2 * DAY)], '<NextKeyMarker>db/a</NextKeyMarker><NextUploadIdMarker>one</NextUploadIdMarker>');
      expect(request.query.get('upload-id-marker')).toBe('one');
      return uploads([upload('db/b', 'two', 2 * DAY), upload('db/b', 'young', DAY - 600_000)]);
    };
    expect(await end()).toBe(2);
    expect(ended()).toEqual(['one', 'two']);
    expect(s3.seen.slice(0, 2).every(isUploads)).toBe(true);
  });

  test('an upload that still gets parts is alive, however old it is', async () => {
    s3.script = (request) => {
      if (request.verb !== 'get') return undefined;
      if (isUploads(request)) return uploads([upload('db/a', 'slow', 9 * DAY), upload('db/b', 'dead', 9 * DAY)]);
      if (request.path.endsWith('/b')) return parts([8 * DAY, 2 * DAY]);
      return request.query.get('part-number-marker') === '2' ? parts([60_000]) : parts([8 * DAY, 7 * DAY], 2);
    };
    expect(await end()).toBe(1);
    expect(ended()).toEqual(['dead']);
  });

  test('the age is told by the clock of the service, also where this machine is days ahead', async () => {
    s3.script = (request) => {
      if (request.verb !== 'get') return undefined;
      const headers = { date: new Date(NOW - 5 * DAY).toUTCString() };
      return { ...(isUploads(request) ? uploads([upload('db/a', 'young', 5 * DAY + 60_000)]) : parts([])), headers };
    };
    expect(await end()).toBe(0);
    expect(ended()).toEqual([]);
  });

  test('what is not meant, has no date or is gone already is left alone', async () => {
    s3.script = (request) => {
      if (request.verb === 'abort') return errorAnswer(404, 'NoSuchUpload');
      if (request.verb !== 'get') return undefined;
      if (!isUploads(request)) return parts([]);
      const undated = '<Upload><Key>db/c</Key><UploadId>undated</UploadId></Upload>';
      return uploads([
        upload('other/a', 'other', 9 * DAY),
        upload('db/theirs', 'theirs', 9 * DAY),
        undated,
        upload('db/a', 'gone', 9 * DAY),
      ]);
    };
    expect(await end((key) => key !== 'db/theirs')).toBe(0);
    expect(ended()).toEqual(['gone']);
  });

  test.each([
    ['a page of somebody else', { headers: { 'content-type': 'text/html' }, body: '<html><body>Log in</body></html>' }, 'RESPONSE_INVALID'],
    ['an answer without an end', { body: xml('<ListMultipartUploadsResult></ListMultipartUploadsResult>') }, 'RESPONSE_INVALID'],
    ['a refusal', errorAnswer(403, 'AccessDenied'), 'ACCESS_DENIED'],
    ['a service without it', errorAnswer(501, 'NotImplemented'), 'NOT_SUPPORTED'],
  ])('%s ends nothing', async (_, answer, code) => {
    s3.script = () => answer;
    await expect(end()).rejects.toMatchObject({ code });
    expect(ended()).toEqual([]);
  });
});
