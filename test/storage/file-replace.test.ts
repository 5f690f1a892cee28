/** Replacing one version of a file between processes: one after another, and past processes that died or slept in the middle. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bytesBody, readAll } from '../../src/storage/body.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import { replaceVersion } from '../../src/storage/file/replace.ts';
import { tagOf } from '../../src/storage/file/tag.ts';
import { TempFile } from '../../src/storage/file/temp-file.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

let directory: TempDirectory;
let store: FileStore;
beforeEach(async () => {
  directory = await tempDirectory();
  store = new FileStore({ type: 'file', path: directory.path });
});
afterEach(() => directory.remove());

const text = async (key = 'it'): Promise<string> => Buffer.from(await readAll(await store.open(key))).toString();
const put = async (content: string, ifMatch?: string): Promise<string> => {
  const condition = ifMatch === undefined ? { ifAbsent: true } : { ifMatch };
  return (await store.put('it', bytesBody(Buffer.from(content)), condition)).tag ?? '';
};
const leftovers = async (): Promise<string[]> => (await readdir(directory.path)).filter((name) => name !== 'it');

/** A finished successor of `tag`, whose process stops where `at` says. */
async function successor(content: string): Promise<{ readonly temp: TempFile; readonly ownTag: string }> {
  const temp = await TempFile.create(join(directory.path, 'it'), 0o600);
  await temp.write(Buffer.from(content));
  return { temp, ownTag: tagOf(await temp.finish(undefined, 0o600, undefined)) };
}

/** The claim of a process that got no further. */
async function claimOf(temp: TempFile, tag: string): Promise<void> {
  const { createHash } = await import('node:crypto');
  const { symlink } = await import('node:fs/promises');
  const name = createHash('sha256').update(`it\n${tag}`).digest('hex').slice(0, 32);
  await symlink(temp.path.slice(directory.path.length + 1), join(directory.path, `.claim-${name}.tmp`));
}

test('a process that died after claiming holds nobody up: its successor is put in place by the next one', async () => {
  const tag = await put('first');
  const { temp } = await successor('of the dead');
  await claimOf(temp, tag);
  await expect(put('mine', tag)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  expect(await text()).toBe('of the dead');
  const { tag: next = '' } = await store.stat('it');
  await put('mine', next);
  expect(await text()).toBe('mine');
  expect(await leftovers()).toEqual([]);
});

test('a process that slept after claiming finds its success, and replaces nothing that came after it', async () => {
  const tag = await put('first');
  const sleeper = await successor('of the sleeper');
  await claimOf(sleeper.temp, tag);
  await expect(put('mine', tag)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  const { tag: next = '' } = await store.stat('it');
  await put('later', next);
  // It goes on where it stopped: before the rename.
  await expect(rename(sleeper.temp.path, join(directory.path, 'it'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await text()).toBe('later');
});

test('a claim for a version of long ago is withdrawn', async () => {
  const tag = await put('first');
  await put('second', tag);
  const late = await successor('too late');
  await expect(replaceVersion(late.temp, join(directory.path, 'it'), { tag, ownTag: late.ownTag })).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
  await late.temp.discard();
  expect(await text()).toBe('second');
  expect(await leftovers()).toEqual([]);
});

test('processes that count together lose no step, also when some are killed', async () => {
  await put('0');
  const url = new URL('../../src/storage/file/file.ts', import.meta.url).href;
  const source = `
    const { FileStore } = await import(${JSON.stringify(url)});
    const store = new FileStore({ type: 'file', path: ${JSON.stringify(directory.path)} });
    for (let done = 0; done < 40; ) {
      const opened = await store.open('it');
      let text = '';
      for await (const chunk of opened.body) text += Buffer.from(chunk).toString();
      const bytes = Buffer.from(String(Number(text) + 1));
      try {
        await store.put('it', { size: bytes.length, async *open() { yield bytes; } }, { ifMatch: opened.tag });
        process.stdout.write('x');
        done++;
      } catch (error) {
        if (error.code !== 'PRECONDITION_FAILED') throw error;
      }
    }`;
  const children = Array.from({ length: 4 }, () => spawn(process.execPath, ['--input-type=module', '-e', source]));
  const counts = children.map(() => 0);
  let errors = '';
  children.forEach((child, i) => {
    child.stdout.on('data', (data: Buffer) => {
      counts[i] = (counts[i] ?? 0) + data.length;
      if (i === 0 && (counts[i] ?? 0) > 5) child.kill('SIGKILL');
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString();
    });
  });
  await Promise.all(children.map((child) => once(child, 'close')));
  expect(errors).toBe('');
  const confirmed = counts.reduce((sum, count) => sum + count, 0);
  expect(counts.slice(1)).toEqual([40, 40, 40]);
  const total = Number(await text());
  // The killed one may have succeeded once without having said so.
  expect(total - confirmed).toBeGreaterThanOrEqual(0);
  expect(total - confirmed).toBeLessThanOrEqual(1);
  expect((await stat(join(directory.path, 'it'))).isFile()).toBe(true);
}, 240_000);
