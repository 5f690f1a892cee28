import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OSSStore } from '../../../src/storage/oss/oss.ts';
import type { OSSStoreSpec } from '../../../src/storage/spec.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { chunkedBody, failingBody, getBytes, hangingBody, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { largeObjectPasses } from '../large-object.ts';
import { newBucket, openUploads } from './bucket.ts';

const MIB = 1024 * 1024;

describeWith('oss', 'a bucket of OSS', () => {
  let server: ServiceAddresses['oss'];
  let spec: OSSStoreSpec;
  let store: OSSStore;
  beforeEach(async () => {
    server = await service('oss');
    spec = await newBucket(server);
    store = new OSSStore(spec);
  }, SERVICE_START_MS);
  afterEach(() => store.close());

  test('takes large objects in parts, of known and of unknown size, with time and condition', async () => {
    const bytes = patternBytes(12 * MIB + 7);
    for (const announce of [true, false]) {
      const info = await store.put(`large ${announce}`, chunkedBody(bytes, 50, announce), { createdAt: 1_767_225_600_123, ifAbsent: true });
      expect(await store.stat(`large ${announce}`)).toEqual(info);
      expect(info.tag).toMatch(/-3$/);
      expect(Buffer.compare(await getBytes(store, `large ${announce}`), bytes)).toBe(0);
      await expect(store.put(`large ${announce}`, chunkedBody(patternBytes(11 * MIB, 2), 50), { ifAbsent: true })).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
      });
      expect(Buffer.compare(await getBytes(store, `large ${announce}`), bytes)).toBe(0);
    }
    await store.close();
    expect(await openUploads(spec)).toEqual([]);
  });

  test('has the parts the configuration wants', async () => {
    const small = new OSSStore({ ...spec, partSize: MIB, concurrency: 1 });
    expect((await small.put('k', chunkedBody(patternBytes(3 * MIB + 1), 9, true))).tag).toMatch(/-4$/);
    await small.close();
  });

  test('keeps nothing of an upload that fails or is given up', async () => {
    await expect(store.put('failed', failingBody(patternBytes(11 * MIB), new Error('source')))).rejects.toThrow('source');
    const controller = new AbortController();
    const reason = new Error('enough');
    const hung = store.put(
      'hung',
      hangingBody(patternBytes(11 * MIB), () => controller.abort(reason)),
      { signal: controller.signal },
    );
    await expect(hung).rejects.toBe(reason);
    await store.close();
    expect(await openUploads(spec)).toEqual([]);
    const again = new OSSStore(spec);
    expect(await listKeys(again)).toEqual([]);
    await again.close();
  });

  test('tells which objects it did not delete, and deletes the others', async () => {
    for (const key of ['a', 'retained/b', 'c<&>d', 'retained/e']) await putBytes(store, key, patternBytes(10));
    await expect(store.delete(['a', 'retained/b', 'c<&>d', 'missing', 'retained/e'])).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      details: { failed: ['retained/b', 'retained/e'] },
    });
    expect(await listKeys(store)).toEqual(['retained/b', 'retained/e']);
  });

  test('says of an archived object that it is one', async () => {
    await putBytes(store, 'archived/a', patternBytes(10));
    await expect(store.open('archived/a')).rejects.toMatchObject({ code: 'OBJECT_ARCHIVED', hint: expect.stringMatching(/Restore/) });
  });

  test('that is missing is an error, never empty', async () => {
    const missing = new OSSStore({ ...spec, bucket: 'no-such-bucket' });
    for (const run of [
      () => listKeys(missing),
      () => missing.open('k'),
      () => missing.stat('k'),
      () => putBytes(missing, 'k', patternBytes(1)),
      () => missing.delete(['a', 'b']),
    ])
      await expect(run()).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    await missing.close();
  });

  test('lets nobody in with other keys, and never shows them', async () => {
    const { accessKeyID = '' } = spec.credentials ?? {};
    for (const credentials of [
      { accessKeyID, accessKeySecret: 'another-secret-text' },
      { accessKeyID: 'LTAIanotheraccess', accessKeySecret: 'another-secret-text' },
    ]) {
      const stranger = new OSSStore({ ...spec, credentials });
      const error = await listKeys(stranger).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CREDENTIALS_INVALID' });
      expect(String(error)).not.toContain('another');
      await stranger.close();
    }
    const elsewhere = new OSSStore({ ...spec, region: 'cn-beijing' });
    await expect(listKeys(elsewhere)).rejects.toMatchObject({ message: expect.stringMatching(/region/) });
    await elsewhere.close();
  });

  test('holds two databases that never touch each other, under the names of the original', async () => {
    const names = ['/0000/x', './0000/x', 'a/0000/x', 'a/b/0000/x', 'a//0000/x'];
    for (const [i, key] of names.entries()) await putBytes(store, key, patternBytes(100, i + 1));
    expect(await listKeys(store, 'a/0000/')).toEqual(['a/0000/x']);
    expect(await listKeys(store, '/0000/')).toEqual(['/0000/x']);
    await store.delete(['a/0000/x']);
    for (const [i, key] of names.entries())
      if (key !== 'a/0000/x') expect(Buffer.compare(await getBytes(store, key), patternBytes(100, i + 1)), key).toBe(0);
  });

  test('takes 64 MiB both ways within bounded memory', { timeout: 240_000 }, async () => {
    await largeObjectPasses(store, 56 * MIB);
  });

  test('with a clock of its own and for sessions with a token', { timeout: 240_000 }, async () => {
    const program = fileURLToPath(new URL('../../../tools/services/oss/server.ts', import.meta.url));
    const child = spawn(process.execPath, [program, '--port', '0', '--security-token', 'token-of-session', '--ahead', '7200000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await child.stdout.take(1).toArray()) as Buffer[];
      const { port, ...login } = JSON.parse(String(line)) as ServiceAddresses['oss'] & { readonly port: number };
      const address = { ...login, endpoint: `http://127.0.0.1:${port}` };
      const session = { accessKeyID: login.accessKeyID, accessKeySecret: login.accessKeySecret, securityToken: 'token-of-session' };
      const opened = new OSSStore(await newBucket(address, { credentials: session }));
      await putBytes(opened, 'k', patternBytes(10));
      expect(await listKeys(opened)).toEqual(['k']);
      await opened.close();
      await expect(newBucket(address)).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    } finally {
      child.kill();
    }
  });
});
