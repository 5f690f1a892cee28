import { describe, expect, test } from 'vitest';
import { openStore, STORE_TYPES } from '../../src/storage/registry.ts';
import type { FileStoreSpec } from '../../src/storage/spec.ts';
import { formatDestination, isReplicaURL, parseReplicaURL } from '../../src/storage/url.ts';

describe('replica URLs', () => {
  test.each([
    ['file:///var/backups/app', '/var/backups/app'],
    ['file:///var/backups/app/', '/var/backups/app'],
    ['file://a/b', '/a/b'],
    ['FILE:///x//y/../z', '/x/z'],
    ['file:///with space/ünï', '/with space/ünï'],
    ['file:///100%25/a%20b%2fc', '/100%25/a%20b%2fc'],
    ['file:///', '/'],
  ])('%s is the directory %s', (url, path) => {
    expect(isReplicaURL(url)).toBe(true);
    expect(parseReplicaURL(url)).toEqual({ type: 'file', path });
  });

  test.each(['file://', 'file:///a?b=c', 'file:///a#b', 'file:///a\0b', 'app.db', '/var/app', 'file:/a', ''])(
    'refuses %j with USAGE',
    (text) => {
      expect(() => parseReplicaURL(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );

  test('names the schemes there are when one is not supported, and never repeats credentials', () => {
    const url = 'ftp://user:hunter2@host/path';
    let thrown: unknown;
    try {
      parseReplicaURL(url);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'USAGE', hint: expect.stringContaining('file://') });
    expect(`${(thrown as Error).message}${JSON.stringify(thrown)}`).not.toContain('hunter2');
  });

  test('prints a destination that parses back to the same place', () => {
    const spec = { type: 'file', path: '/var/a%20b' } as const;
    expect(formatDestination(spec)).toBe('file:///var/a%20b');
    expect(parseReplicaURL(formatDestination(spec))).toEqual(spec);
  });

  test('tells URLs from paths', () => {
    for (const text of ['s3://b', 'webdavs://x', 'file://']) expect(isReplicaURL(text), text).toBe(true);
    for (const text of ['/a/b', './x', 'C:/x', 'a:b', '1x://y', '']) expect(isReplicaURL(text), text).toBe(false);
  });
});

describe('registry', () => {
  test('opens each type it names', async () => {
    expect(STORE_TYPES).toEqual(['file']);
    expect(await openStore({ type: 'file', path: '/tmp/x' })).toMatchObject({ type: 'file', destination: '/tmp/x' });
  });

  test.each(['s3', 'toString', '__proto__', ''])('refuses type "%s" with CONFIG_INVALID, naming those there are', async (type) => {
    await expect(openStore({ type, path: '/x' } as unknown as FileStoreSpec)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: expect.stringContaining('file'),
    });
  });
});
