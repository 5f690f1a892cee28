import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { tempName } from '../../../src/storage/directories/temp-name.ts';
import { StatusError, sftpError } from '../../../src/storage/sftp/errors.ts';
import { SFTPStore } from '../../../src/storage/sftp/sftp.ts';
import type { SFTPStoreSpec } from '../../../src/storage/spec.ts';
import { until } from '../../support/fake-clock.ts';
import { describeWithMounts, Mounts } from '../../support/mounts.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { failingBody, getBytes, listAll, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { directoryIsNotReplaced, filesBelow, rootIsMissed, rootsStayApart } from '../file-servers.ts';
import { largeObjectPasses } from '../large-object.ts';
import { PlainServer } from './plain-server.ts';

const DAY = 24 * 60 * 60 * 1000;

describeWith('sftp', 'an SFTP store on disk', () => {
  let server: ServiceAddresses['sftp'];
  let root: string;
  let store: SFTPStore;
  beforeAll(async () => {
    server = await service('sftp');
  }, SERVICE_START_MS);
  beforeEach(() => {
    root = `${server.root}/${randomUUID()}`;
    store = open(root);
  });
  afterEach(() => store.close());

  function open(path: string): SFTPStore {
    const { host, port, user, keyPath, hostKey } = server;
    return new SFTPStore({ type: 'sftp', host, port, user, keyPath, hostKeys: [hostKey], path });
  }

  test('keeps objects as files that only their owner reads, with the creation time to the second', async () => {
    const createdAt = 1_767_225_600_123;
    const put = await putBytes(store, 'ltx/0/a.ltx', patternBytes(10), createdAt);
    const found = await stat(join(root, 'ltx/0/a.ltx'));
    expect(found.mtimeMs).toBe(1_767_225_600_000);
    expect(put.createdAt).toBe(1_767_225_600_000);
    expect(await listAll(store)).toEqual([{ key: 'ltx/0/a.ltx', size: 10, createdAt: 1_767_225_600_000 }]);
    expect(found.mode & 0o777).toBe(0o600);
    for (const name of ['', 'ltx', 'ltx/0']) expect((await stat(join(root, name))).mode & 0o777, name).toBe(0o700);
    await putBytes(store, 'old', patternBytes(1), -5);
    expect((await stat(join(root, 'old'))).mtimeMs).toBe(0);
  });

  test('leaves no temporary file, however a put ends', async () => {
    await putBytes(store, 'a', patternBytes(10));
    await store.put('b', bytesBody(patternBytes(10)), { ifAbsent: true });
    await expect(store.put('b', bytesBody(patternBytes(10)), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await expect(store.put('c', failingBody(patternBytes(100_000), new Error('no')))).rejects.toThrow('no');
    await expect.poll(() => filesBelow(root)).toEqual(['a', 'b']);
    expect((await stat(join(root, 'b'))).nlink).toBe(1);
  });

  test('takes away what interrupted writers left more than a day ago, and nothing else', async () => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    const now = Date.now();
    const directory = join(root, 'ltx/0');
    const make = async (name: string, at: number) => {
      await writeFile(join(directory, name), 'x');
      await utimes(join(directory, name), at / 1000, at / 1000);
      return name;
    };
    const stale = [
      await make(tempName('f.ltx', now - 2 * DAY), now - 2 * DAY),
      await make(tempName('x'.repeat(250), now - 2 * DAY), now - 2 * DAY),
    ];
    const kept = [
      await make(tempName('f.ltx', now - 1000), now - 2 * DAY),
      await make(tempName('f.ltx', now - 2 * DAY), now),
      await make('somebody-elses.tmp', now - 9 * DAY),
      await make('f.ltx.4711-0123456789ab.tmp', now - 9 * DAY),
    ];
    expect(await listKeys(store, 'ltx/0/')).toEqual(['ltx/0/a']);
    await store.close();
    const left = await readdir(directory);
    expect(left.sort()).toEqual(['a', ...kept].sort());
    expect(stale.some((name) => left.includes(name))).toBe(false);
  });

  test('never touches a neighbour: a, ab and a/b are three databases', () => rootsStayApart((name) => open(join(root, name))));

  test('follows links to files and directories, and leaves dangling ones out', async () => {
    await putBytes(store, 'real/x', patternBytes(7));
    await symlink(join(root, 'real'), join(root, 'linked'));
    await symlink('x', join(root, 'real/also'));
    await symlink('nowhere', join(root, 'real/dangling'));
    expect(await listAll(store).then((all) => all.map(({ key, size }) => [key, size]))).toEqual([
      ['linked/also', 7],
      ['linked/x', 7],
      ['real/also', 7],
      ['real/x', 7],
    ]);
  });

  test('never puts an object in the place of a directory', async () => {
    await putBytes(store, 'dir/x', patternBytes(1));
    await directoryIsNotReplaced(store);
    await expect(store.delete(['dir'])).rejects.toMatchObject({ details: { failed: ['dir'] } });
    await expect(putBytes(store, 'dir/x/below', patternBytes(1))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    expect(await listKeys(store)).toEqual(['dir/x']);
  });

  test('is empty while its root was never there, and never again once it was', async () => {
    expect(await listKeys(store)).toEqual([]);
    await store.delete(['a']);
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    await rename(root, `${root}-away`);
    await rootIsMissed(store, { code: 'CONTAINER_NOT_FOUND', hint: 'Is its file system mounted there?' });
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' });
    await rename(`${root}-away`, root);
    expect(await listKeys(store)).toEqual(['ltx/0/a']);
    await writeFile(`${root}-file`, '');
    await expect(listKeys(open(`${root}-file`))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    await expect(listKeys(open(`${root}-file/below`))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  });

  test('works below the home directory of the user', async () => {
    const name = `litestream-test-${randomUUID()}`;
    const home = open(`${name}/db/`);
    try {
      await putBytes(home, 'ltx/0/a', patternBytes(3));
      expect(await listKeys(home)).toEqual(['ltx/0/a']);
      expect(home.destination).toContain(`/~/${name}/db`);
    } finally {
      await home.close();
      await rm(join(process.env.HOME ?? '/root', name), { recursive: true, force: true });
    }
  });

  // 2 MiB are under way, in several forms.
  test('sends and fetches 64 MiB in bounded memory', { timeout: 120_000 }, () => largeObjectPasses(store, 24 * 2 ** 20));

  describeWithMounts('where file systems can be mounted', () => {
    const mounts = new Mounts();
    afterAll(() => mounts.release());

    test('says that the destination is full, leaves nothing, and goes on when there is room', async () => {
      mounts.small(root, '2m');
      await putBytes(store, 'fits', patternBytes(100_000));
      await expect(putBytes(store, 'large', patternBytes(4_000_000))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
      expect(await listKeys(store)).toEqual(['fits']);
      mounts.grow(root, '16m');
      await putBytes(store, 'large', patternBytes(4_000_000));
      await store.close();
      expect((await readdir(root)).sort()).toEqual(['fits', 'large']);
    });

    test('says that the destination is read-only', async () => {
      mounts.small(root, '2m');
      await putBytes(store, 'a', patternBytes(1));
      mounts.forbidWrites(root);
      await expect(putBytes(store, 'b', patternBytes(1))).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        message: expect.stringContaining('read-only'),
      });
      await expect(store.delete(['a'])).rejects.toMatchObject({ details: { failed: ['a'] } });
      expect(await listKeys(store)).toEqual(['a']);
    });

    test('an unmounted destination is no empty one', async () => {
      const other = new Mounts();
      other.small(root, '2m');
      await putBytes(store, 'ltx/0/a', patternBytes(1));
      await store.delete(['not-there']);
      expect(await listKeys(store)).toEqual(['ltx/0/a']);
      other.release();
      const gone = { code: 'CONTAINER_NOT_FOUND' };
      await expect(listKeys(store)).rejects.toMatchObject(gone);
      await expect(putBytes(store, 'ltx/0/b', patternBytes(1))).rejects.toMatchObject(gone);
      expect(await readdir(root)).toEqual([]);
    });
  });
});

describe('an SFTP server without the extensions of OpenSSH', () => {
  let directory: TempDirectory;
  let server: PlainServer;
  let store: SFTPStore;
  let refuse: (name: string) => number | undefined;
  beforeEach(async () => {
    refuse = () => undefined;
    directory = await tempDirectory();
    server = await PlainServer.start({ root: directory.path, onRequest: (name) => refuse(name) });
    store = new SFTPStore(spec());
  });
  afterEach(async () => {
    await store.close();
    await server.stop();
    await directory.remove();
  });

  const spec = (): SFTPStoreSpec => ({
    type: 'sftp',
    host: '127.0.0.1',
    port: server.port,
    user: 'u',
    path: 'replica',
    hostKeys: [server.hostKey],
    credentials: { password: 'p' },
  });

  test('stores, replaces, lists, reads and deletes all the same', async () => {
    for (const size of [1000, 10, 250_001]) {
      await putBytes(store, 'ltx/0/a', patternBytes(size, size));
      expect(Buffer.compare(await getBytes(store, 'ltx/0/a'), patternBytes(size, size))).toBe(0);
      expect(Buffer.compare(await getBytes(store, 'ltx/0/a', { offset: 5, length: 3 }), patternBytes(size, size).subarray(5, 8))).toBe(0);
    }
    await mkdir(join(directory.path, 'replica/ltx/1'));
    for (let i = 0; i < 120; i++) await writeFile(join(directory.path, 'replica/ltx/1', String(i).padStart(3, '0')), 'x');
    expect(await listKeys(store, 'ltx/1/')).toHaveLength(120);
    await store.delete(['ltx/0/a', 'ltx/0/missing']);
    expect(await listKeys(store, 'ltx/0/')).toEqual([]);
    await store.close();
    expect(await readdir(join(directory.path, 'replica/ltx/0'))).toEqual([]);
  });

  test('cannot create only if absent, and says so without writing', async () => {
    await expect(store.put('a', bytesBody(patternBytes(1)), { ifAbsent: true })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await store.close();
    expect(await filesBelow(directory.path)).toEqual([]);
  });

  test.each([
    [3, 'ACCESS_DENIED'],
    [4, 'STORAGE_UNAVAILABLE'],
    [8, 'NOT_SUPPORTED'],
  ] as const)('whatever is refused with status %i is %s, and never an empty listing', async (status, code) => {
    await putBytes(store, 'a', patternBytes(100));
    refuse = () => status;
    const calls: (() => Promise<unknown>)[] = [
      () => listKeys(store),
      () => store.open('a'),
      () => store.stat('a'),
      () => putBytes(store, 'b', patternBytes(1)),
      () => store.delete(['a']),
    ];
    for (const call of calls) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(LitestreamError);
      expect(error).toMatchObject({ code, hint: expect.any(String) });
    }
    refuse = () => undefined;
    expect(await listKeys(store)).toEqual(['a']);
  });

  test('later statuses of the protocol have their meaning, and unknown ones none', () => {
    const codeOf = (status: number) => (sftpError(new StatusError(status, 'no'), 'cannot write x') as LitestreamError).code;
    expect([11, 12, 14, 15, 99].map(codeOf)).toEqual([
      'PRECONDITION_FAILED',
      'ACCESS_DENIED',
      'STORAGE_FULL',
      'STORAGE_FULL',
      'STORAGE_UNAVAILABLE',
    ]);
    const other = new Error('not ours');
    expect(sftpError(other, 'cannot write x')).toBe(other);
  });

  test.each(['OPENDIR', 'READDIR'])('a directory that vanishes at %s is no empty one', async (name) => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    let asked = 0;
    refuse = (request) => {
      asked += request === name ? 1 : 0;
      return request === name && asked === 1 ? 2 : undefined;
    };
    if (name === 'OPENDIR') expect(await listKeys(store, 'ltx/0/')).toEqual([]);
    else await expect(listKeys(store, 'ltx/0/')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('a file of another size than was sent is never published', async () => {
    await putBytes(store, 'a', patternBytes(10));
    refuse = (name) => (name === 'WRITE' ? 0 : undefined);
    await expect(putBytes(store, 'a', patternBytes(20))).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('kept 0 of 20'),
    });
    refuse = () => undefined;
    expect(Buffer.compare(await getBytes(store, 'a'), patternBytes(10))).toBe(0);
  });

  test.each(['WRITE', 'CLOSE', 'RENAME'])('a put that is refused at %s leaves the old object and no part', async (name) => {
    await putBytes(store, 'a', patternBytes(100));
    let refused = 0;
    refuse = (request) => {
      if (request !== name || refused > 2) return undefined;
      refused += 1;
      return 4;
    };
    // Servers on remote disks tell of a full one when a file is closed.
    await expect(putBytes(store, 'a', patternBytes(200))).rejects.toBeInstanceOf(LitestreamError);
    refuse = () => undefined;
    expect(await listKeys(store)).toEqual(['a']);
    expect(Buffer.compare(await getBytes(store, 'a'), patternBytes(100))).toBe(0);
  });

  test('what a lost connection left is taken away by the next one', async () => {
    await putBytes(store, 'a', patternBytes(1));
    let writes = 0;
    refuse = (name) => {
      if (name === 'WRITE') {
        writes += 1;
        for (const connection of server.connections) connection.end();
      }
      return undefined;
    };
    await expect(putBytes(store, 'b', patternBytes(200_000))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(writes).toBeGreaterThan(0);
    expect((await filesBelow(directory.path)).filter((name) => name.endsWith('.tmp'))).toHaveLength(1);
    refuse = () => undefined;
    expect(await listKeys(store)).toEqual(['a']);
    await until(() => server.requests.includes('REMOVE'), 'it is removed');
    await store.close();
    expect(await filesBelow(directory.path)).toEqual(['a']);
  });
});
