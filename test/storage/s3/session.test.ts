/** Regions and credentials: where they come from, and what happens when they turn out to be others. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { S3Store } from '../../../src/storage/s3/store.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { collect, patternBytes } from '../contract/bodies.ts';
import { errorAnswer, ScriptedS3, type SeenRequest } from './scripted-s3.ts';

let server: ScriptedS3;
let directory: TempDirectory;
beforeEach(async () => {
  server = await ScriptedS3.start();
  directory = await tempDirectory();
  // Whatever stands on this machine must not count.
  for (const name of [
    'AWS_REGION',
    'AWS_DEFAULT_REGION',
    'AWS_PROFILE',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
  ]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_CONFIG_FILE', join(directory.path, 'config'));
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(directory.path, 'credentials'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.stop();
  await directory.remove();
});

const scope = ({ headers }: SeenRequest) => {
  const [, key, region] = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  return { key, region };
};
const regions = () => server.seen.map((request) => scope(request).region);

describe('the region', () => {
  test('is that of the configuration, whatever the environment says', async () => {
    vi.stubEnv('AWS_REGION', 'ap-south-1');
    await server.store({ region: 'eu-west-2' }).stat('k');
    expect(regions()).toEqual(['eu-west-2']);
  });

  test('is that of the ARN of an access point, to which no path style belongs', async () => {
    vi.stubEnv('AWS_REGION', 'ap-south-1');
    const bucket = 'arn:aws:s3:eu-west-3:123456789012:accesspoint/backup';
    await server.store({ bucket }).put('k', bytesBody(patternBytes(1)));
    expect(regions()).toEqual(['eu-west-3']);
    expect(server.origins).toEqual(['https://backup-123456789012.s3-accesspoint.eu-west-3.amazonaws.com']);
    expect(() => server.store({ bucket, forcePathStyle: true })).toThrowError(/path style/);
  });

  test('is that of AWS_REGION, then of the profile', async () => {
    await writeFile(join(directory.path, 'config'), '[profile backup]\nregion = eu-north-1\n');
    await server.store({ profile: 'backup' }).stat('k');
    vi.stubEnv('AWS_REGION', 'ap-south-1');
    await server.store().stat('k');
    expect(regions()).toEqual(['eu-north-1', 'ap-south-1']);
  });

  test('is asked for with a HEAD of the bucket, whose header tells it also to those who may not look; once', async () => {
    for (const status of [200, 301, 403]) {
      server.seen.length = 0;
      server.script = ({ verb }) => (verb === 'head-bucket' ? { status, headers: { 'x-amz-bucket-region': 'eu-central-1' } } : undefined);
      const store = server.store();
      await Promise.all([store.stat('a'), store.stat('b')]);
      expect(server.seen.map((request) => [request.verb, scope(request).region])).toEqual([
        ['head-bucket', 'us-east-1'],
        ['head', 'eu-central-1'],
        ['head', 'eu-central-1'],
      ]);
    }
  });

  test('called EU is eu-west-1', async () => {
    server.script = ({ verb }) => (verb === 'head-bucket' ? { headers: { 'x-amz-bucket-region': 'EU' } } : undefined);
    await server.store().stat('k');
    await server.store({ region: 'EU' }).stat('k');
    expect(regions()).toEqual(['us-east-1', 'eu-west-1', 'eu-west-1']);
  });

  test('that cannot be found out is asked for again at the next call', async () => {
    server.script = () => errorAnswer(404, 'NoSuchBucket');
    const store = server.store();
    await expect(store.stat('k')).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    server.script = ({ verb }) => (verb === 'head-bucket' ? { headers: { 'x-amz-bucket-region': 'eu-central-1' } } : undefined);
    await store.stat('k');
    expect(regions().at(-1)).toBe('eu-central-1');
  });

  test.each([
    ['a redirect', errorAnswer(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-central-1' })],
    ['a refused signature', errorAnswer(400, 'AuthorizationHeaderMalformed', '<Region>eu-central-1</Region>')],
    ['a header alone', { status: 400, headers: { 'x-amz-bucket-region': 'eu-central-1' } }],
  ])('that is wrong is corrected by %s, and remembered', async (_, answer) => {
    server.script = (request) => (scope(request).region === 'us-east-1' ? answer : undefined);
    const store = server.store({ region: 'us-east-1' });
    await store.put('k', bytesBody(patternBytes(10)));
    await collect(store.list(''));
    expect(regions()).toEqual(['us-east-1', 'eu-central-1', 'eu-central-1']);
    expect(server.of('put')[1]?.body.byteLength).toBe(10);
  });

  test('is followed once, and a service that sends from one to the other is told of', async () => {
    server.script = (request) =>
      errorAnswer(301, 'PermanentRedirect', '', {
        'x-amz-bucket-region': scope(request).region === 'eu-west-1' ? 'eu-west-2' : 'eu-west-1',
      });
    await expect(server.store({ region: 'us-east-1' }).stat('k')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: 'Set region: eu-west-2',
    });
    expect(server.seen.length).toBe(2);
  });

  test('of another endpoint is not followed, for the credentials are not meant for it', async () => {
    server.script = () => errorAnswer(301, 'PermanentRedirect', '<Endpoint>s3.eu-central-1.wasabisys.com</Endpoint>');
    await expect(collect(server.store({ endpoint: server.endpoint }).list(''))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: 'Set endpoint: https://s3.eu-central-1.wasabisys.com',
    });
    expect(server.seen.length).toBe(1);
  });
});

describe('the endpoint', () => {
  test('of AWS_ENDPOINT_URL_S3 counts as if it were configured', async () => {
    const store = new S3Store(
      { type: 's3', bucket: 'bucket', path: '', credentials: { accessKeyID: 'a', secretAccessKey: 'b' } },
      { env: { AWS_ENDPOINT_URL_S3: 'https://t3.storage.dev' }, handler: server.handler() },
    );
    await store.stat('k');
    expect(server.seen[0]?.headers['x-tigris-consistent']).toBe('true');
    expect(server.origins).toEqual(['https://t3.storage.dev']);
    await store.close();
  });

  test.each(['https://user:secret@s3.example.com', 'ftp://s3.example.com', 'http://'])('%s is none', (endpoint) => {
    expect(() => server.store({ endpoint })).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('credentials', () => {
  test('of the configuration come with their session token', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'OTHER');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'other');
    await server.store({ region: 'r-1', credentials: { accessKeyID: 'AKID', secretAccessKey: 's', sessionToken: 'TOKEN' } }).stat('k');
    expect(scope(server.seen[0] as SeenRequest).key).toBe('AKID');
    expect(server.seen[0]?.headers['x-amz-security-token']).toBe('TOKEN');
  });

  test.each([{ accessKeyID: 'only' }, { secretAccessKey: 'only' }])('that are half there are refused', (credentials) => {
    expect(() => server.store({ credentials })).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test('of the environment come with their session token', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'FROMENV');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
    vi.stubEnv('AWS_SESSION_TOKEN', 'ENVTOKEN');
    await server.store({ region: 'r-1', credentials: {} }).stat('k');
    expect(scope(server.seen[0] as SeenRequest).key).toBe('FROMENV');
    expect(server.seen[0]?.headers['x-amz-security-token']).toBe('ENVTOKEN');
  });

  const profile = (key: string) =>
    writeFile(join(directory.path, 'credentials'), `[backup]\naws_access_key_id = ${key}\naws_secret_access_key = s\n`);
  const keysUsed = () => server.seen.map((request) => scope(request).key);

  test('of a profile are read anew when they are refused', async () => {
    await profile('OLD');
    const store = server.store({ region: 'r-1', credentials: {}, profile: 'backup' });
    await store.stat('k');
    await profile('NEW');
    await store.stat('k');
    server.script = (request) => (scope(request).key === 'OLD' ? errorAnswer(400, 'ExpiredToken') : undefined);
    await (await store.open('k')).close();
    expect(keysUsed()).toEqual(['OLD', 'OLD', 'OLD', 'NEW']);
  });

  test('that stay refused are told, and tried again with the next call', async () => {
    await profile('OLD');
    const store = server.store({ region: 'r-1', credentials: {}, profile: 'backup' });
    server.script = (request) => (scope(request).key === 'OLD' ? errorAnswer(403, 'InvalidAccessKeyId') : undefined);
    await expect(collect(store.list(''))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    expect(keysUsed()).toEqual(['OLD', 'OLD']);
    await profile('NEW');
    await collect(store.list(''));
    expect(keysUsed().at(-1)).toBe('NEW');
  });

  test('of the configuration are not tried twice', async () => {
    server.script = () => errorAnswer(403, 'SignatureDoesNotMatch');
    await expect(collect(server.store({ region: 'r-1' }).list(''))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    expect(server.seen.length).toBe(1);
  });

  test('that are nowhere are asked for in one sentence, without a request', async () => {
    await expect(server.store({ region: 'r-1', credentials: {} }).stat('k')).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
      hint: expect.stringMatching(/access-key-id/),
    });
    expect(server.seen).toEqual([]);
  });

  test('never show in an error', async () => {
    server.script = () => errorAnswer(403, 'AccessDenied');
    const error = await server
      .store({
        region: 'r-1',
        credentials: { accessKeyID: 'AKIDAKIDAKID', secretAccessKey: 'very-secret-key', sessionToken: 'secret-token' },
      })
      .stat('k')
      .catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error)).not.toMatch(/very-secret-key|secret-token/);
  });

  test('both in the profile and in the environment print nothing', async () => {
    const printed = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await profile('PROFILE');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'FROMENV');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
    await server.store({ region: 'r-1', credentials: {}, profile: 'backup' }).stat('k');
    expect(keysUsed()).toEqual(['PROFILE']);
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });
});
