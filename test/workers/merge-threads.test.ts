import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MergeRequest } from '../../src/engine/compaction/merge-job.ts';
import { readLTXFileHeader, verifyLTXFile } from '../../src/formats/ltx/file.ts';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { MergeThreads } from '../../src/workers/merge-threads.ts';
import { encode, NaiveDatabase } from '../engine/restore/ltx-files.ts';
import { temporaryDirectory } from '../engine/restore/setting.ts';
import { randomFrom } from '../support/random.ts';

let threads: MergeThreads;

beforeEach(() => {
  threads = new MergeThreads();
});

afterEach(() => threads.close());

function scene(transactions: number, largest = 12): (name: string) => MergeRequest {
  const directory = temporaryDirectory();
  const database = new NaiveDatabase(4096, randomFrom(5));
  const inputs = Array.from({ length: transactions }, (_, at) => {
    database.step(largest);
    const range = { minTXID: toTXID(at + 1), maxTXID: toTXID(at + 1) };
    const path = join(directory, formatLTXName(range));
    writeFileSync(path, encode(4096, at + 1, at + 1, database.range(at + 1, at + 1), 1000 + at));
    return { path, ...range };
  });
  return (name) => ({ inputs, output: join(directory, name), pageForm: 'block', isSnapshot: false });
}

test('merges follow each other and run side by side, each with its own result', async () => {
  const request = scene(5);
  const outputs = ['a', 'b', 'c', 'd'];
  const results = await Promise.all(outputs.map((name) => threads.run('merge', request(name))));
  const again = await threads.run('merge', request('e'));
  for (const result of [...results, again]) expect(result).toEqual(results[0]);
  for (const name of [...outputs, 'e']) expect(verifyLTXFile(request(name).output).header).toEqual(readLTXFileHeader(request('a').output));
});

test('a merge that fails leaves a thread that goes on', async () => {
  const request = scene(3);
  const { inputs, ...rest } = request('a');
  const torn = { ...rest, inputs: inputs.map((input) => ({ ...input, maxTXID: toTXID(9) })) };
  await expect(threads.run('merge', torn)).rejects.toMatchObject({ code: 'LTX_INVALID', details: { input: 0 } });
  await expect(threads.run('merge', request('b'))).resolves.toMatchObject({ merged: 3, minTXID: 1n, maxTXID: 3n });
});

test('a merge that is cancelled ends with the reason of its signal, and the next one has a thread', async () => {
  const request = scene(60, 400);
  const abort = new AbortController();
  const reason = new Error('enough');
  const running = threads.run('merge', request('a'), abort.signal);
  abort.abort(reason);
  await expect(running).rejects.toBe(reason);
  await expect(threads.run('merge', request('a'), abort.signal)).rejects.toBe(reason);
  await expect(threads.run('merge', request('b'))).resolves.toMatchObject({ merged: 60 });
  // In the middle of its work, unless that is over already.
  for (const ms of [5, 20]) {
    const late = new AbortController();
    setTimeout(() => late.abort(reason), ms);
    const end = await threads.run('merge', request(`c${ms}`), late.signal).catch((error: unknown) => error);
    if (end !== reason) expect(end).toMatchObject({ merged: 60 });
    await expect(threads.run('merge', request(`d${ms}`))).resolves.toMatchObject({ merged: 60 });
  }
});
