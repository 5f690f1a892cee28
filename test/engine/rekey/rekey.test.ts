import { readdirSync } from 'node:fs';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { REKEY_NAME } from '../../../src/engine/rekey/progress.ts';
import { type RekeyTask, rekeyReplica } from '../../../src/engine/rekey/rekey.ts';
import { fetchFile } from '../../../src/engine/repair/fetch.ts';
import { listCatalogue } from '../../../src/engine/restore/catalogue.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { Encryption } from '../../../src/replica/encrypted/encryption.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody, readAll } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

const AT = 1_767_225_600_123;
const [before, after] = [await generateX25519Identity(), await generateX25519Identity()];
const [beforeRecipient, afterRecipient] = [await identityToRecipient(before), await identityToRecipient(after)];
const random = new Random(5);

let directory: TempDirectory;
let store: FaultStore;
beforeEach(async () => {
  directory = await tempDirectory();
  store = new FaultStore(new MemoryStore());
});
const opened: Replica[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  await directory.remove();
});

function open(recipients: readonly string[], identities: readonly string[]): Replica {
  const replica = new Replica(store, pathLayout, 'db', new Encryption(store, { recipients, identities }));
  opened.push(replica);
  return replica;
}

function ltx(min: number, max: number, pages: number): Buffer {
  const all = Array.from({ length: pages }, (_, at) => [at + 1, Uint8Array.from(random.bytes(4096))] as const);
  return encode(header(min, max, pages, { timestamp: AT, pageSize: 4096 }), all);
}

/** 100 files of level 0, one of level 1 and one of level 9 that is larger than what is held in memory. */
async function scene(): Promise<Map<string, Buffer>> {
  const replica = open([beforeRecipient], [before]);
  const content = new Map<string, Buffer>();
  const put = async (level: 0 | 1 | 9, min: number, max: number, pages: number) => {
    const bytes = ltx(min, max, pages);
    content.set(`${level} ${min} ${max}`, bytes);
    await replica.write(level, toTXID(min), toTXID(max), bytesBody(bytes), { createdAt: AT });
  };
  for (let txid = 1; txid <= 100; txid++) await put(0, txid, txid, 1);
  await put(1, 1, 100, 3);
  await put(9, 1, 100, 900);
  return content;
}

const rotated = (identities = [after, before]): Replica => open([afterRecipient], identities);

async function run(replica: Replica, more: Partial<RekeyTask> = {}) {
  const signal = new AbortController().signal;
  return rekeyReplica({
    replica,
    files: await listCatalogue(replica),
    recipients: [afterRecipient],
    isDryRun: false,
    scratch: directory.path,
    signal,
    fetch: (file, path) => fetchFile({ file, path, scratch: directory.path }, { source: replica, signal }),
    alone: (work) => work(),
    onProgress: () => {},
    ...more,
  });
}

/** True for every file that only `identity` opens, with what it was. */
async function expectFor(identity: string, content: ReadonlyMap<string, Buffer>): Promise<void> {
  const replica = open([], [identity]);
  const files = await listCatalogue(replica);
  expect(files).toHaveLength(content.size);
  for (const file of files) {
    const bytes = await replica.read(file);
    expect(Buffer.compare(bytes, content.get(`${file.level} ${file.minTXID} ${file.maxTXID}`) ?? Buffer.alloc(0))).toBe(0);
    expect(file.createdAt).toBe(AT);
  }
}

test('afterwards every file has its content and its time, and the new identity alone opens it', async () => {
  const content = await scene();
  expect(await run(rotated())).toMatchObject({ files: 102, before: 0, gone: 0, left: [] });
  await expectFor(after, content);
  await expect(open([], [before]).read((await listCatalogue(rotated()))[0] as FileInfo)).rejects.toMatchObject({
    code: 'IDENTITY_REQUIRED',
  });
  expect(readdirSync(directory.path)).toEqual([]);
});

test('a dry run changes nothing and says how much there is', async () => {
  const content = await scene();
  store.calls.length = 0;
  const outcome = await run(rotated(), { isDryRun: true });
  expect(outcome).toMatchObject({ files: 102, before: 0 });
  expect(outcome.bytes).toBeGreaterThan(1_500_000);
  expect(store.calls.filter(({ verb }) => verb === 'put' || verb === 'delete')).toEqual([]);
  await expectFor(before, content);
});

test('an interrupted run goes on where it was; one for other recipients begins anew', async () => {
  const content = await scene();
  const outage = new LitestreamError('STORAGE_UNAVAILABLE', 'no route');
  let done = 0;
  store.script({ on: 'put', key: /0000000000000032/, fault: { type: 'error', error: outage } });
  await expect(run(rotated(), { onProgress: (count) => (done = count) })).rejects.toBe(outage);
  expect(done).toBe(51);
  store.heal();
  expect(await run(rotated(), { isDryRun: true })).toMatchObject({ files: 51, before: 51 });
  expect(await run(rotated(), { isDryRun: true, recipients: [beforeRecipient] })).toMatchObject({ files: 102, before: 0 });
  expect(await run(rotated())).toMatchObject({ files: 51, before: 51 });
  await expectFor(after, content);
  expect(await rotated().aux.read(REKEY_NAME)).toBeUndefined();
});

test('damaged files and files for others are left as they are, and named', async () => {
  await scene();
  const key = 'db/ltx/0/0000000000000005-0000000000000005.ltx.age';
  const bytes = Buffer.from(await readAll(await store.open(key)));
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
  await store.put(key, bytesBody(bytes));
  const third = await generateX25519Identity();
  await open([await identityToRecipient(third)], []).write(0, toTXID(101), toTXID(101), bytesBody(ltx(101, 101, 1)), { createdAt: AT });
  const { files, left } = await run(rotated());
  expect(files).toBe(101);
  expect(left.map(({ file, error }) => [file.maxTXID, error.code])).toEqual([
    [5n, 'LTX_CHECKSUM_MISMATCH'],
    [101n, 'IDENTITY_REQUIRED'],
  ]);
  expect(Buffer.compare(await readAll(await store.open(key)), bytes)).toBe(0);
});

test('a file that was merged away meanwhile does not come back', async () => {
  await scene();
  const replica = rotated();
  const files = await listCatalogue(replica);
  const gone = files.filter(({ level, maxTXID }) => level === 0 && maxTXID <= 50n);
  await replica.delete(gone.slice(0, 20));
  const outcome = await run(replica, { files });
  expect(outcome).toMatchObject({ files: 82, gone: 20 });
  expect(await listCatalogue(replica)).toHaveLength(82);
});

test('a file that was replaced since it was read is not written over', async () => {
  await scene();
  const replica = rotated();
  const [file] = (await listCatalogue(replica)).filter(({ level }) => level === 0);
  if (file === undefined) throw new Error('no file');
  const version = await replica.versionOf(file);
  const other = ltx(1, 1, 1);
  await replica.write(0, file.minTXID, file.maxTXID, bytesBody(other), { createdAt: AT, ifAbsent: false });
  await expect(replica.rekey(file, bytesBody(ltx(1, 1, 2)), { createdAt: AT, version })).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
  expect(Buffer.compare(await replica.read(file), other)).toBe(0);
});

test('what the destination does not keep as it was written is an error', async () => {
  await scene();
  const replica = rotated();
  const [file] = (await listCatalogue(replica)).filter(({ level }) => level === 0);
  if (file === undefined) throw new Error('no file');
  const version = await replica.versionOf(file);
  store.script({ on: 'open', fault: { type: 'broken', after: 0, ending: 'end' } });
  await expect(replica.rekey(file, bytesBody(ltx(1, 1, 1)), { createdAt: AT, version })).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
});

test('cancelled, it stops before the next file', async () => {
  await scene();
  const abort = new AbortController();
  const reason = new LitestreamError('CANCELLED', 'enough');
  await expect(
    run(rotated(), { signal: abort.signal, onProgress: (done) => (done === 10 ? abort.abort(reason) : undefined) }),
  ).rejects.toBe(reason);
  expect(await run(rotated(), { isDryRun: true })).toMatchObject({ before: 10 });
});
