import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { sweepRestores } from '../../../src/engine/restore/restore.ts';
import { workspaceOf, workspaceToken } from '../../../src/engine/restore/workspace.ts';
import { randomFrom } from '../../support/random.ts';
import { encode, NaiveDatabase, store } from './ltx-files.ts';
import { openFileReplica, restore, temporaryDirectory } from './setting.ts';

async function setting() {
  const directory = temporaryDirectory();
  const database = new NaiveDatabase(512, randomFrom(8));
  database.step(9);
  store(join(directory, 'replica'), 0, 1, 1, encode(512, 1, 1, database.range(1, 1), 1), 1);
  const replica = await openFileReplica(join(directory, 'replica'));
  return { directory, replica, output: join(directory, 'out.db'), expected: database.file(1) };
}

const systemError = (code: string) => Object.assign(new Error(`${code}: of the system`), { code });
const withFault = (name: keyof RestoreDisk, code: string): RestoreDisk => ({
  ...nodeDisk,
  [name]: () => {
    throw systemError(code);
  },
});

describe('a file system without hard links', () => {
  test.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])('%s: the result is renamed into a reserved name', async (code) => {
    const { replica, output, expected } = await setting();
    await restore(replica, { output }, { disk: withFault('link', code) });
    expect(readFileSync(output).equals(expected)).toBe(true);
    expect(readdirSync(dirname(output)).sort()).toEqual(['out.db', 'replica']);
  });

  test('a name that is taken meanwhile stays what it is', async () => {
    const { replica, output } = await setting();
    const checkIntegrity = async () => {
      writeFileSync(output, '');
      return undefined;
    };
    const disk = withFault('link', 'EPERM');
    const failure = restore(replica, { output, integrity: 'quick' }, { disk, checkIntegrity });
    await expect(failure).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(readFileSync(output, 'utf8')).toBe('');
  });

  test('a reserved name is given back when the rename fails', async () => {
    const { replica, output } = await setting();
    const disk = { ...withFault('link', 'EPERM'), rename: withFault('rename', 'EIO').rename };
    await expect(restore(replica, { output }, { disk })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(readdirSync(dirname(output))).toEqual(['replica']);
  });
});

describe('what the system refuses', () => {
  test.each([
    ['write', 'ENOSPC', 'DISK_FULL'],
    ['sync', 'EDQUOT', 'DISK_FULL'],
    ['makeDirectory', 'EACCES', 'ACCESS_DENIED'],
    ['create', 'EROFS', 'ACCESS_DENIED'],
    ['sync', 'EIO', 'INTERNAL'],
  ] as const)('%s with %s is %s, and nothing is left', async (name, code, ours) => {
    const { replica, output } = await setting();
    await expect(restore(replica, { output }, { disk: withFault(name, code) })).rejects.toMatchObject({ code: ours });
    expect(readdirSync(dirname(output))).toEqual(['replica']);
  });
});

describe('force', () => {
  test('moves side files without a database aside as well', async () => {
    const { replica, output, expected } = await setting();
    writeFileSync(`${output}-wal`, 'orphan');
    const { replacedPath } = await restore(replica, { output, force: true });
    expect(readFileSync(`${replacedPath}-wal`, 'utf8')).toBe('orphan');
    expect(readFileSync(output).equals(expected)).toBe(true);
    expect(readdirSync(dirname(output)).filter((name) => name.endsWith('-wal'))).toHaveLength(1);
  });

  test('says where the old database is when it could not be put back', async () => {
    const { replica, output } = await setting();
    writeFileSync(output, 'old database');
    let renames = 0;
    const disk = {
      ...withFault('link', 'EIO'),
      rename: (from: string, to: string) => {
        if (renames++ > 0) throw systemError('EIO');
        nodeDisk.rename(from, to);
      },
    };
    await expect(restore(replica, { output, force: true }, { disk })).rejects.toMatchObject({
      message: expect.stringMatching(/the previous database is now .*out\.db\.replaced-/),
    });
  });
});

describe('the sweep', () => {
  test('removes workspaces of processes that are gone, and no others', () => {
    const directory = temporaryDirectory();
    const mine = workspaceOf(join(directory, 'a.db'), workspaceToken()).directory;
    const reused = workspaceOf(join(directory, 'a.db'), `${process.pid}-1-00000000`).directory;
    const gone = workspaceOf(join(directory, 'b.db'), '2147483646-1-00000000').directory;
    const foreign = join(directory, '.b.db.restoring-something');
    for (const made of [mine, reused, gone, foreign]) mkdirSync(made);
    writeFileSync(join(gone, 'restored.db'), 'half');
    sweepRestores(nodeDisk, directory);
    // Only Linux tells two processes of one id apart.
    const expected = process.platform === 'linux' ? [mine, foreign] : [mine, reused, foreign];
    expect(readdirSync(directory).sort()).toEqual(expected.map((path) => path.slice(directory.length + 1)).sort());
  });
});
