import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesBody } from '../../src/storage/body.ts';
import { fileError } from '../../src/storage/file/errors.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { failingBody, getBytes, listAll, listKeys, patternBytes, putBytes } from './contract/bodies.ts';
import { objectStoreContract } from './contract/object-store-contract.ts';
import { rootIsMissed } from './file-servers.ts';

objectStoreContract({
  name: 'file',
  capabilities: new FileStore({ type: 'file', path: '/' }).capabilities,
  create: async () => {
    const directory = await tempDirectory();
    // The root does not exist yet: the first put makes it.
    return { store: new FileStore({ type: 'file', path: join(directory.path, 'deep', 'root') }), dispose: directory.remove };
  },
});

describe('file store', () => {
  let directory: TempDirectory;
  let root: string;
  let store: FileStore;
  beforeEach(async () => {
    directory = await tempDirectory();
    root = join(directory.path, 'root');
    store = new FileStore({ type: 'file', path: root });
  });
  afterEach(() => directory.remove());

  async function filesBelow(path: string): Promise<string[]> {
    return (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  /** Runs a module in a child, with `store` open on the root, after a shell command. Returns what it printed. */
  function runScript(source: string, before = 'true'): string {
    const url = new URL('../../src/storage/file/file.ts', import.meta.url).href;
    const head = `const { FileStore } = await import(${JSON.stringify(url)}); const store = new FileStore({ type: 'file', path: ${JSON.stringify(root)} });`;
    const args = ['-c', `${before}; exec "$0" --input-type=module -e "$1"`, process.execPath, head + source];
    return execFileSync('bash', args, { encoding: 'utf8' });
  }

  test('keeps objects as plain files with the creation time as modification time', async () => {
    const createdAt = 1_767_225_600_123;
    await putBytes(store, 'ltx/0/a.ltx', patternBytes(10), createdAt);
    const found = await stat(join(root, 'ltx/0/a.ltx'), { bigint: true });
    // Readers that cut nanoseconds to milliseconds must find the millisecond that was put.
    expect(Number(found.mtimeNs / 1_000_000n)).toBe(createdAt);
    expect(store.localPath('ltx/0/a.ltx')).toBe(join(root, 'ltx/0/a.ltx'));
    expect(Buffer.compare(await readFile(store.localPath('ltx/0/a.ltx')), patternBytes(10))).toBe(0);
  });

  test('reads back exactly every millisecond of two seconds', async () => {
    const start = 1_767_225_600_000;
    await putBytes(store, 'ms', patternBytes(1));
    for (let ms = 0; ms < 2000; ms += 37) {
      await store.put('ms', bytesBody(patternBytes(1)), { createdAt: start + ms });
      const { mtimeNs } = await stat(join(root, 'ms'), { bigint: true });
      expect(Number(mtimeNs / 1_000_000n)).toBe(start + ms);
    }
  });

  test('makes directories 0700 and files 0600 unless told otherwise, whatever the umask', async () => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    const old = process.umask(0o077);
    try {
      const open = new FileStore({ type: 'file', path: join(directory.path, 'shared'), fileMode: 0o644, directoryMode: 0o755 });
      await putBytes(open, 'ltx/0/a', patternBytes(1));
    } finally {
      process.umask(old);
    }
    const modes = async (base: string) =>
      Promise.all(['', 'ltx', 'ltx/0', 'ltx/0/a'].map(async (name) => (await stat(join(directory.path, base, name))).mode & 0o777));
    expect(await modes('root')).toEqual([0o700, 0o700, 0o700, 0o600]);
    expect(await modes('shared')).toEqual([0o755, 0o755, 0o755, 0o644]);
  });

  test('removes its temporary file on every failing path', async () => {
    await expect(store.put('a/b', failingBody(patternBytes(10), new Error('source')))).rejects.toThrow('source');
    await putBytes(store, 'a/c', patternBytes(10));
    await expect(store.put('a/c', bytesBody(patternBytes(5)), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await mkdir(join(root, 'a/dir/below'), { recursive: true });
    await expect(store.put('a/dir', bytesBody(patternBytes(5)))).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(await filesBelow(root)).toEqual(['c']);
  });

  test('never lists leftovers of a killed writer, and refuses to write objects of such names', async () => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    await writeFile(join(root, 'ltx/0/b.ltx.tmp'), 'half');
    expect(await listKeys(store)).toEqual(['ltx/0/a']);
    await expect(store.put('ltx/0/c.tmp', bytesBody(patternBytes(1)))).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('lists through links to directories and files', async () => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    await mkdir(join(directory.path, 'elsewhere'));
    await writeFile(join(directory.path, 'elsewhere/b'), 'x');
    await symlink(join(directory.path, 'elsewhere'), join(root, 'ltx/9'));
    await symlink(join(directory.path, 'elsewhere/b'), join(root, 'ltx/0/c'));
    await symlink(join(directory.path, 'nowhere'), join(root, 'ltx/0/dangling'));
    expect(await listKeys(store, 'ltx/')).toEqual(['ltx/0/a', 'ltx/0/c', 'ltx/9/b']);
  });

  test('files and directories that are deleted while they are listed are left out, and nothing else is (row 39)', async () => {
    const names = Array.from({ length: 200 }, (_, at) => `ltx/0/${String(at).padStart(3, '0')}`);
    for (const name of [...names, 'ltx/1/a', 'ltx/2/a']) await putBytes(store, name, patternBytes(1));
    const gone = names.filter((_, at) => at >= 100 && at % 3 > 0);
    const listed: string[] = [];
    for await (const { key } of store.list('ltx/')) {
      listed.push(key);
      // The names of level 0 and of the levels have been read by now; the files behind the first few have not been looked at.
      if (listed.length > 1) continue;
      for (const name of gone) await rm(join(root, name));
      await rm(join(root, 'ltx/1'), { recursive: true });
    }
    expect(listed).toEqual([...names.filter((name) => !gone.includes(name)), 'ltx/2/a']);
  });

  test('a root that was there and disappears is an error, never an empty replica', async () => {
    await putBytes(store, 'ltx/0/a', patternBytes(1));
    await rename(root, join(directory.path, 'unmounted'));
    await rootIsMissed(store, { code: 'CONTAINER_NOT_FOUND' });
    await expect(stat(root)).rejects.toThrow('ENOENT');
    await rename(join(directory.path, 'unmounted'), root);
    expect(await listKeys(store)).toEqual(['ltx/0/a']);
  });

  test('a root below something that is not a directory is an error', async () => {
    await writeFile(join(directory.path, 'plain'), 'x');
    for (const path of [join(directory.path, 'plain'), join(directory.path, 'plain', 'root')]) {
      const blocked = new FileStore({ type: 'file', path });
      await expect(listAll(blocked)).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
      await expect(putBytes(blocked, 'a', patternBytes(1))).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    }
  });

  test('a level that is a file is an error, not an empty level', async () => {
    await mkdir(join(root, 'ltx'), { recursive: true });
    await writeFile(join(root, 'ltx/0'), 'x');
    await expect(listAll(store, 'ltx/0/')).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  });

  test('an unreadable directory is ACCESS_DENIED, for listing, writing and deleting', () => {
    // In a child, because a superuser has to become somebody else for this.
    const output = runScript(`
      const { chmodSync, mkdirSync } = await import('node:fs');
      const body = { async *open() { yield new Uint8Array(1); } };
      mkdirSync(${JSON.stringify(root)});
      chmodSync(${JSON.stringify(root)}, 0o777);
      chmodSync(${JSON.stringify(directory.path)}, 0o777);
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const codeOf = (promise) => promise.then(() => 'done', (error) => [error.code, error.details?.failed]);
      await store.put('ltx/0/a', body);
      chmodSync(${JSON.stringify(join(root, 'ltx/0'))}, 0o000);
      const results = [
        await codeOf(store.list('ltx/0/').next()),
        await codeOf(store.put('ltx/0/b', body)),
        await codeOf(store.open('ltx/0/a')),
        await codeOf(store.delete(['ltx/0/a'])),
      ];
      chmodSync(${JSON.stringify(join(root, 'ltx/0'))}, 0o700);
      console.log(JSON.stringify(results));
    `);
    expect(JSON.parse(output)).toEqual([
      ['ACCESS_DENIED', null],
      ['ACCESS_DENIED', null],
      ['ACCESS_DENIED', null],
      ['ACCESS_DENIED', ['ltx/0/a']],
    ]);
  });

  test('a failed delete names the keys that remain', async () => {
    await putBytes(store, 'a/1', patternBytes(1));
    await mkdir(join(root, 'a/2'));
    const failure = await store.delete(['a/1', 'a/2', 'a/3']).catch((error: unknown) => error);
    expect(failure).toMatchObject({ details: { failed: ['a/2'] } });
    expect(await listKeys(store)).toEqual([]);
  });

  test('a file that shrinks while it is read is READ_TRUNCATED', async () => {
    await putBytes(store, 'shrink', patternBytes(2_000_000));
    const opened = await store.open('shrink');
    const read = async () => {
      let first = true;
      for await (const _ of opened.body) {
        if (first) await writeFile(join(root, 'shrink'), 'short');
        first = false;
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });

  test('keeps no descriptor open after any of its operations', async () => {
    await putBytes(store, 'fd', patternBytes(600_000));
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const before = await descriptors();
    for (let i = 0; i < 10; i++) {
      await getBytes(store, 'fd', { offset: i, length: 10 });
      const half = await store.open('fd');
      for await (const _ of half.body) break;
      const unread = await store.open('fd');
      await unread.close();
      await store.put('fd2', failingBody(patternBytes(5), new Error('x'))).catch(() => {});
      await store.open('missing').catch(() => {});
    }
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
  });

  test('a full destination is DISK_FULL and leaves nothing behind', async () => {
    // Files may not grow beyond 64 KiB in the child: the kernel then answers like a device that has no more room for the file.
    const output = runScript(
      `
      process.on('SIGXFSZ', () => {});
      const body = { async *open() { for (let i = 0; i < 32; i++) yield new Uint8Array(8192); } };
      try { await store.put('ltx/0/big', body); console.log('stored'); } catch (error) { console.log(error.code); }
    `,
      'ulimit -f 64',
    );
    expect(output.trim()).toBe('DISK_FULL');
    expect(await filesBelow(root)).toEqual([]);
  });

  test('gives system errors the codes of the table', () => {
    const codes: Record<string, string> = {
      ENOSPC: 'DISK_FULL',
      EDQUOT: 'DISK_FULL',
      EACCES: 'ACCESS_DENIED',
      EPERM: 'ACCESS_DENIED',
      EROFS: 'ACCESS_DENIED',
      EMFILE: 'STORAGE_UNAVAILABLE',
      EIO: 'STORAGE_UNAVAILABLE',
      ESTALE: 'STORAGE_UNAVAILABLE',
      ETIMEDOUT: 'STORAGE_UNAVAILABLE',
      ENOTDIR: 'CONTAINER_NOT_FOUND',
    };
    for (const [system, ours] of Object.entries(codes)) {
      const cause = Object.assign(new Error(system), { code: system });
      expect(fileError(cause, 'doing it'), system).toMatchObject({ code: ours, cause, details: { system } });
    }
    const other = new TypeError('a bug');
    expect(fileError(other, 'doing it')).toBe(other);
  });

  test('finds the root again after it was removed and made anew on the same device', async () => {
    await putBytes(store, 'a', patternBytes(1));
    await rm(root, { recursive: true });
    await mkdir(root);
    expect(await listKeys(store)).toEqual([]);
  });
});
