import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { JobRequests } from '../../src/engine/job-requests.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { OwnerLock } from '../../src/sqlite/owner-lock.ts';
import { destinationKey } from '../../src/storage/place.ts';
import { runJob } from '../../src/workers/job-host.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import type { JobProgress } from '../../src/workers/job-protocol.ts';
import { targetGuard } from '../../src/workers/job-target-guard.ts';
import { encode, NaiveDatabase, store as put } from '../engine/restore/ltx-files.ts';
import { temporaryDirectory } from '../engine/restore/setting.ts';
import { randomFrom } from '../support/random.ts';
import { unpackTarGz } from '../support/tar.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/v5/vfs-0.5.17.tar.gz', import.meta.url));

function setting() {
  const directory = temporaryDirectory();
  unpackTarGz(FIXTURE, directory);
  mkdirSync(join(directory, 'out'));
  return { directory, store: { type: 'file', path: join(directory, 'replica') } as const, output: join(directory, 'out', 'app.db') };
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Another process that has the database open. */
async function application(path: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./job-child.ts', import.meta.url)), path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  });
  await new Promise((resolve, reject) => {
    child.stdout?.once('data', resolve);
    child.once('exit', reject);
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

describe('a restore job', () => {
  test('in a thread gives the same result as here', async () => {
    const { store, output } = setting();
    const progress: JobProgress[] = [];
    const result = await runJob(
      'restore',
      { store, target: { type: 'latest' }, output, integrity: 'quick' },
      { onProgress: (report) => void progress.push(report) },
    );
    const here = await runJobHere('restore', { store, target: { type: 'latest' }, output: `${output}.2`, integrity: 'quick' });
    expect(result).toMatchObject({ txid: 9n, integrity: 'ok', replanned: false, checksum: here.checksum, pages: here.pages });
    expect(progress.at(-1)).toMatchObject({ phase: 'check', pagesWritten: result.pages });
    expect(digest(output)).toBe(digest(`${output}.2`));
    expect(readdirSync(dirname(output)).sort()).toEqual(['app.db', 'app.db.2']);
  });

  test('in a thread tells what it asked of the destination, also when it fails', async () => {
    const { store, output } = setting();
    const requests: JobRequests[] = [];
    const onRequests = (some: readonly JobRequests[]) => void requests.push(...some);
    await runJob('restore', { store, target: { type: 'latest' }, output, integrity: 'none' }, { onRequests });
    const operations = requests.flatMap((one) => one.operations);
    expect(new Set(requests.map(({ destination }) => destination))).toEqual(new Set([destinationKey(store)]));
    expect(operations.filter(({ operation }) => operation === 'LIST').length).toBeGreaterThan(0);
    requests.length = 0;
    const failing = runJob(
      'restore',
      { store, target: { type: 'txid', txid: toTXID(10) }, output: `${output}.3`, integrity: 'none' },
      { onRequests },
    );
    await expect(failing).rejects.toMatchObject({ code: 'TX_NOT_AVAILABLE' });
    expect(requests.flatMap((one) => one.operations)).not.toEqual([]);
  });

  test('that fails rejects with the code, details and hint of the failure', async () => {
    const { store, output } = setting();
    const failure = runJob('restore', { store, target: { type: 'txid', txid: toTXID(10) }, output, integrity: 'none' });
    await expect(failure).rejects.toMatchObject({
      name: 'LitestreamError',
      code: 'TX_NOT_AVAILABLE',
      details: { before: { txid: '0000000000000009' } },
      hint: expect.stringContaining('0000000000000009'),
    });
    expect(readdirSync(dirname(output))).toEqual([]);
  });

  test('that was aborted before it began does nothing', async () => {
    const { store, output } = setting();
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(runJob('restore', { store, target: { type: 'latest' }, output, integrity: 'none' }, { signal })).rejects.toThrow(
      'never mind',
    );
    expect(readdirSync(dirname(output))).toEqual([]);
  });

  // Ten times of what is promised, and the quickest of three: the machine may be busy, and stand still for seconds.
  test('that is cancelled while it runs ends within 250 ms with the reason and leaves nothing', { timeout: 150_000 }, async () => {
    const { directory, output } = setting();
    const root = join(directory, 'large');
    const commit = 1500;
    const page = Uint8Array.from({ length: 65536 }, (_, at) => at % 251);
    const pages = new Map(Array.from({ length: commit }, (_, at) => [at + 1, page]));
    put(root, 9, 1, 1, encode(65536, 1, 1, { commit, pages }, 1000), 1000);
    const took = async (): Promise<number> => {
      const abort = new AbortController();
      let abortedAt = 0;
      const cancel = () => {
        abortedAt ||= performance.now();
        abort.abort(new Error('enough'));
      };
      const job = runJob(
        'restore',
        { store: { type: 'file', path: root }, target: { type: 'latest' }, output, integrity: 'none' },
        { signal: abort.signal, onProgress: cancel },
      );
      await expect(job).rejects.toThrow('enough');
      const ms = performance.now() - abortedAt;
      await expect.poll(() => readdirSync(dirname(output))).toEqual([]);
      return ms;
    };
    expect(Math.min(await took(), await took(), await took())).toBeLessThan(2500);
  });
});

describe('replacing a database', () => {
  const force = { target: { type: 'latest' }, integrity: 'quick', force: true } as const;

  test.each([['wal'], ['wal', 'busy'], ['delete', 'busy']])(
    'is refused while another process has it open (%s %s), and left exactly as it is',
    async (...args) => {
      const { store, output } = setting();
      const child = await application(output, ...args);
      const before = [digest(output), args[0] === 'wal' ? digest(`${output}-wal`) : ''];
      await expect(runJob('restore', { ...force, store, output })).rejects.toMatchObject({ code: 'OUTPUT_IN_USE' });
      expect([digest(output), args[0] === 'wal' ? digest(`${output}-wal`) : '']).toEqual(before);
      await end(child);
      const result = await runJob('restore', { ...force, store, output });
      expect(digest(`${result.replacedPath}`)).toBe(before[0]);
      if (args[0] === 'wal') expect(digest(`${result.replacedPath}-wal`)).toBe(before[1]);
      expect(readdirSync(dirname(output)).filter((name) => name.startsWith('app.db-'))).toEqual([]);
    },
    150_000,
  );

  test('is refused while its metadata directory is owned', async () => {
    const { store, output } = setting();
    writeFileSync(output, '');
    const metaPath = join(dirname(output), '.app.db-litestream');
    mkdirSync(metaPath);
    const lock = OwnerLock.acquire(metaPath, { pid: process.pid, startedAt: 0 });
    await expect(runJob('restore', { ...force, store, output })).rejects.toMatchObject({
      code: 'OUTPUT_IN_USE',
      message: expect.stringContaining('replicated'),
    });
    lock.release();
    expect((await runJob('restore', { ...force, store, output })).replacedPath).toBeDefined();
  });

  test('what is no database is not in use', () => {
    const path = join(temporaryDirectory(), 'app.db');
    writeFileSync(path, 'x'.repeat(5000));
    expect(() => targetGuard.assertUnused(path, undefined)).not.toThrow();
  });
});

describe('a verify job', () => {
  test('passes on a good replica and leaves no scratch', async () => {
    const { store, directory } = setting();
    const scratch = join(directory, 'scratch');
    const result = await runJob('verify', { store, target: { type: 'latest' }, scratch, integrity: 'full' });
    expect(result).toMatchObject({ outcome: 'passed', txid: 9n });
    expect(result.checks.map((check) => `${check.name} ${check.outcome}`)).toEqual([
      'chain passed',
      'checksums passed',
      'integrity passed',
      'pages inconclusive',
    ]);
    expect(readdirSync(scratch)).toEqual([]);
  });
});

test('a replica of naive files restores in a thread, too', async () => {
  const directory = temporaryDirectory();
  const database = new NaiveDatabase(4096, randomFrom(2));
  database.step(10);
  put(join(directory, 'replica'), 0, 1, 1, encode(4096, 1, 1, database.range(1, 1), 1), 1);
  const output = join(directory, 'out.db');
  await runJob('restore', {
    store: { type: 'file', path: join(directory, 'replica') },
    target: { type: 'timestamp', timestamp: 2 },
    output,
    integrity: 'none',
  });
  expect(readFileSync(output).equals(database.file(1))).toBe(true);
});
