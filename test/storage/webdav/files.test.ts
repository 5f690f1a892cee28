import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { bytesBody } from '../../../src/storage/body.ts';
import { tempName } from '../../../src/storage/directories/temp-name.ts';
import { WebDAVStore } from '../../../src/storage/webdav/webdav.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { collect, failingBody, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { directoryIsNotReplaced, filesBelow, rootIsMissed, rootsStayApart } from '../file-servers.ts';
import { largeObjectPasses } from '../large-object.ts';

const DAY = 24 * 60 * 60 * 1000;

for (const name of ['webdav-apache', 'webdav-rclone'] as const)
  describeWith(name, `a WebDAV store on the disk of ${name}`, () => {
    let server: ServiceAddresses[typeof name];
    let base: string;
    let root: string;
    let store: WebDAVStore;
    beforeAll(async () => {
      server = await service(name);
    }, SERVICE_START_MS);
    beforeEach(() => {
      base = randomUUID();
      root = join(server.root, base, 'db');
      store = open('db');
    });
    afterEach(() => store.close());

    function open(path: string, password = server.password): WebDAVStore {
      const { endpoint, user } = server;
      return new WebDAVStore({
        type: 'webdav',
        endpoint,
        path: `${base}/${path}/`,
        user,
        credentials: { password },
      });
    }

    /** A request of somebody else. */
    async function raw(method: string, path: string): Promise<void> {
      const login = Buffer.from(`${server.user}:${server.password}`).toString('base64');
      const { ok, status } = await fetch(`${server.endpoint}/${base}/${path}`, { method, headers: { Authorization: `Basic ${login}` } });
      if (!ok) throw new Error(`${method} ${path}: ${status}`);
    }

    test('leaves no temporary file, however a put ends', async () => {
      await putBytes(store, 'a', patternBytes(10));
      await store.put('b', bytesBody(patternBytes(10)), { ifAbsent: true });
      await expect(store.put('b', bytesBody(patternBytes(10)), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
      await expect(store.put('c', failingBody(patternBytes(100_000), new Error('no')))).rejects.toThrow('no');
      await expect(store.put('d', { ...failingBody(patternBytes(100_000), new Error('no')), size: 200_000 })).rejects.toThrow('no');
      // What the cut off put leaves may appear only after a first removal; Apache takes its own temporary file (`.davfs.tmp…`) away when it
      // has noticed that the line is cut.
      await expect.poll(() => filesBelow(root)).toEqual(['a', 'b']);
    });

    test('takes away what interrupted writers left more than a day ago, and nothing else', async () => {
      await putBytes(store, 'ltx/0/a', patternBytes(1));
      const directory = join(root, 'ltx/0');
      const now = Date.now();
      const names = [tempName('f.ltx', now - 2 * DAY), tempName('f.ltx', now - 1000), 'somebody-elses.tmp', 'f.ltx.4711-0123456789ab.tmp'];
      // Through the server: one of them remembers directories it has seen for minutes.
      for (const one of names) await raw('PUT', `db/ltx/0/${one}`);
      const other = open('db');
      expect(await listKeys(other, 'ltx/0/')).toEqual(['ltx/0/a']);
      await other.close();
      expect((await readdir(directory)).sort()).toEqual(['a', ...names.slice(1)].sort());
    });

    test('never touches a neighbour: a, ab and a/b are three databases', () => rootsStayApart(open));

    test('never replaces or deletes a directory, which would take all that is in it', async () => {
      for (const key of ['dir/x', 'dir/y', 'one', 'two', 'three', 'four']) await putBytes(store, key, patternBytes(1));
      await directoryIsNotReplaced(store);
      await expect(store.delete(['dir'])).rejects.toMatchObject({ code: 'NOT_SUPPORTED', details: { failed: ['dir'] } });
      await expect(store.delete(['one', 'two', 'dir', 'three', 'four'])).rejects.toMatchObject({ details: { failed: ['dir'] } });
      expect(await listKeys(store)).toEqual(['dir/x', 'dir/y']);
      await expect(putBytes(store, 'dir/x/below', patternBytes(1))).rejects.toMatchObject({
        code: expect.stringMatching(/CONTAINER_NOT_FOUND|ACCESS_DENIED|NOT_SUPPORTED/),
      });
      expect(await getBytes(store, 'dir/x')).toHaveLength(1);
    });

    test('is empty while its root was never there, and never again once it was', async () => {
      expect(await listKeys(store)).toEqual([]);
      await store.delete(['a']);
      await putBytes(store, 'ltx/0/a', patternBytes(1));
      if (name === 'webdav-rclone') {
        // It remembers directories that it has seen for minutes: only one it hears of itself will do.
        await raw('DELETE', 'db');
      } else await rename(root, `${root}-away`);
      await rootIsMissed(store, { code: 'CONTAINER_NOT_FOUND' });
      await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' });
      const fresh = open('db');
      expect(await listKeys(fresh)).toEqual([]);
      await fresh.close();
    });

    test('says where there is no collection at all', async () => {
      const { endpoint, user, password } = server;
      const wrong = new WebDAVStore({
        type: 'webdav',
        endpoint: `${endpoint}/no/such/service`,
        path: 'db',
        user,
        credentials: { password },
      });
      await expect(listKeys(wrong)).rejects.toMatchObject({
        code: 'CONTAINER_NOT_FOUND',
        message: expect.stringContaining('/no/such/service'),
      });
      await expect(putBytes(wrong, 'a', patternBytes(1))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
      await wrong.close();
      await putBytes(store, 'file', patternBytes(1));
      const onFile = open('db/file');
      await expect(listKeys(onFile)).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
      await onFile.close();
    });

    test('tells the wrong password as such, in every call', async () => {
      await mkdir(join(server.root, base), { recursive: true });
      const wrong = open('db', 'not the password');
      const refused = { code: 'CREDENTIALS_INVALID' };
      await expect(listKeys(wrong)).rejects.toMatchObject(refused);
      await expect(putBytes(wrong, 'a', patternBytes(1))).rejects.toMatchObject(refused);
      await expect(wrong.stat('a')).rejects.toMatchObject(refused);
      await wrong.close();
      const nobody = new WebDAVStore({ type: 'webdav', endpoint: server.endpoint, path: base });
      await expect(listKeys(nobody)).rejects.toMatchObject({ ...refused, hint: 'The server wants a login: set user and password.' });
      await nobody.close();
    });

    test('holds 60 streams at once, read side by side', async () => {
      const bytes = patternBytes(1_000_000);
      await putBytes(store, 'big', bytes);
      const opened = await Promise.all(Array.from({ length: 60 }, () => store.open('big')));
      const read = await Promise.all(opened.map(({ body }) => collect(body)));
      expect(read.every((chunks) => Buffer.compare(Buffer.concat(chunks), bytes) === 0)).toBe(true);
    });

    test('sends and fetches 64 MiB in bounded memory', { timeout: 120_000 }, () => largeObjectPasses(store, 16 * 2 ** 20));
  });
