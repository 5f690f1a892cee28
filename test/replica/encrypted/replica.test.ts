import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { isSameFile } from '../../../src/replica/collision.ts';
import { Encryption } from '../../../src/replica/encrypted/encryption.ts';
import { Sealing } from '../../../src/replica/encrypted/sealing.ts';
import type { FileInfo, Level } from '../../../src/replica/file-info.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { listLevel } from '../../../src/replica/list-level.ts';
import { openReplica } from '../../../src/replica/open.ts';
import { readRemoteIndex, readRemotePage } from '../../../src/replica/pages.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody, fileBody, readAll } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { StoreCapabilities } from '../../../src/storage/object-store.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { constantPage, encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';
import { ScribblingStore } from '../../support/scribbling-store.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

const AT = 1_767_225_600_123;
const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const later = await generateX25519Identity();
const laterRecipient = await identityToRecipient(later);
const random = new Random(7);

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
const opened: Replica[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  await directory.remove();
});

/** `pages` that cannot be compressed. */
function ltx(min: number, max: number, pages = 2, pageSize = 512): Buffer {
  const all = Array.from({ length: pages }, (_, at) => [at + 1, Uint8Array.from(random.bytes(pageSize))] as const);
  return encode(header(min, max, pages, { timestamp: AT, pageSize }), all);
}

interface Options {
  readonly store?: FaultStore;
  readonly recipients?: readonly string[];
  readonly identities?: readonly string[];
  /** In the directory of the test. */
  readonly staging?: string;
  readonly capabilities?: Partial<Pick<StoreCapabilities, 'conditionalPut' | 'timestamps'>>;
}

function setup({ capabilities = {}, store = new FaultStore(new MemoryStore({ capabilities })), ...rest }: Options = {}) {
  const { recipients = [recipient], identities = [identity], staging } = rest;
  const sealing = staging === undefined ? {} : { directory: join(directory.path, staging) };
  const encryption = new Encryption(store, { recipients, identities }, sealing);
  const replica = new Replica(store, pathLayout, 'db', encryption);
  opened.push(replica);
  return { store, replica };
}

const put = (replica: Replica, level: Level, min: number, max: number, bytes = ltx(min, max)): Promise<FileInfo> =>
  replica.write(level, toTXID(min), toTXID(max), bytesBody(bytes), { createdAt: AT });

const keyOf = (min: number, max = min, level = 0): string =>
  `db/ltx/${level}/${[min, max].map((txid) => txid.toString(16).padStart(16, '0')).join('-')}.ltx`;

async function stored(store: FaultStore, key: string): Promise<Buffer> {
  return Buffer.from(await readAll(await store.open(key)));
}

const plainReplica = (store: FaultStore): Replica => new Replica(store, pathLayout, 'db');

describe('an encrypted replica', () => {
  test('lists, reads and measures files as what they hold, under names that end in .age', async () => {
    const { store, replica } = setup();
    const bytes = ltx(1, 1, 400);
    const written = await put(replica, 0, 1, 1, bytes);
    const [listed] = await listLevel(replica, 0);
    expect(listed).toEqual({ ...written, createdAt: AT });
    expect(store.calls.filter(({ verb }) => verb === 'put').map(({ key }) => key)).toEqual([`${keyOf(1)}.age`]);
    expect(written.size).toBe((await stored(store, `${keyOf(1)}.age`)).length);
    expect(await replica.contentSize(written)).toBe(bytes.length);
    expect(Buffer.compare(await replica.read(written), bytes)).toBe(0);
    expect((await replica.open(written)).size).toBe(bytes.length);
    expect(await replica.maxTXID()).toBe(1n);
    await replica.delete([written]);
    expect(await listLevel(replica, 0)).toEqual([]);
  });

  test('random ranges are those of the file, at the cost of the chunks they are in', async () => {
    const { store, replica } = setup();
    const bytes = ltx(1, 1, 90, 4096);
    const file = await put(replica, 0, 1, 1, bytes);
    for (let round = 0; round < 100; round++) {
      const offset = random.below(bytes.length + 1000);
      const length = random.below(150_000);
      const opened = await replica.open(file, { offset, length });
      const came = await readAll(opened);
      expect(Buffer.compare(came, bytes.subarray(offset, offset + length)), `${offset}+${length}`).toBe(0);
    }
    store.calls.length = 0;
    await replica.read(file, { offset: 70_000, length: 10 });
    expect(store.calls).toEqual([{ verb: 'open', key: `${keyOf(1)}.age`, offset: expect.any(Number) }]);
    expect(store.calls[0]?.offset).toBeGreaterThan(65_536);
  });

  test('index and single pages are found by ranges', async () => {
    const { replica } = setup();
    const bytes = encode(
      header(1, 1, 300, { timestamp: AT }),
      Array.from({ length: 300 }, (_, at) => [at + 1, Uint8Array.from(random.bytes(512))] as const),
    );
    const file = await put(replica, 0, 1, 1, bytes);
    const [plain] = await (async () => {
      const other = plainReplica(new FaultStore(new MemoryStore()));
      await other.write(0, toTXID(1), toTXID(1), bytesBody(bytes), { createdAt: AT });
      return [{ replica: other, index: await readRemoteIndex(other, (await listLevel(other, 0))[0] ?? file) }];
    })();
    const index = await readRemoteIndex(replica, file);
    expect([...index.entries()]).toEqual([...plain.index.entries()]);
    const entry = [...index.entries()][200];
    if (entry === undefined) throw new Error('no entry');
    expect(Buffer.compare(await readRemotePage(replica, index, entry), await readRemotePage(plain.replica, plain.index, entry))).toBe(0);
  });

  test('a whole file costs one request', async () => {
    const { store, replica } = setup();
    const file = await put(replica, 0, 1, 1, ltx(1, 1, 300));
    store.calls.length = 0;
    await replica.read(file);
    expect(store.calls.map(({ verb }) => verb)).toEqual(['open']);
  });

  test('a file that comes in pieces, each in the memory of the one before, is read whole all the same', async () => {
    const bytes = ltx(1, 1, 400);
    for (const most of [1, 7, 100, 1000, 65_536, 100_000]) {
      const { replica } = setup({ store: new FaultStore(new ScribblingStore(new MemoryStore(), most)) });
      const file = await put(replica, 0, 1, 1, bytes);
      expect(Buffer.compare(await replica.read(file), bytes), `pieces of ${most}`).toBe(0);
      expect(Buffer.compare(await replica.read(file, { offset: 66_000 }), bytes.subarray(66_000)), `pieces of ${most}`).toBe(0);
    }
  });

  test('exact times are those of the headers, or what the store tells where only others can read them', async () => {
    for (const timestamps of ['none', 'stat', 'listing'] as const) {
      const { store, replica } = setup({ capabilities: { timestamps } });
      await put(replica, 0, 1, 1);
      const times = async (of: Replica) => (await listLevel(of, 0, { exactTimes: true })).map(({ createdAt }) => createdAt);
      expect(await times(replica), timestamps).toEqual([AT]);
      const writer = setup({ store, identities: [] }).replica;
      expect(await times(writer), timestamps).toHaveLength(1);
    }
  });

  test('nothing that is stored holds the text of the pages, nor do the names', async () => {
    const { store, replica } = setup({ staging: 'sealed' });
    const page = Buffer.alloc(512, 'CANARY-of-the-database ');
    await put(replica, 0, 1, 1, encode(header(1, 1, 1, { timestamp: AT }), [[1, page]]));
    for await (const { key } of store.list('')) {
      expect(key).not.toMatch(/CANARY/);
      expect((await stored(store, key)).includes('CANARY')).toBe(false);
    }
    for (const name of readdirSync(join(directory.path, 'sealed'))) {
      expect(readFileSync(join(directory.path, 'sealed', name)).includes('CANARY')).toBe(false);
    }
  });
});

describe('identities', () => {
  test('the file is read with any identity it was encrypted for, after a rotation with the earlier one', async () => {
    const { store, replica } = setup();
    const before = ltx(1, 1);
    await put(replica, 0, 1, 1, before);
    const rotated = setup({ store, recipients: [laterRecipient], identities: [later, identity] }).replica;
    const after = ltx(2, 2);
    await put(rotated, 0, 2, 2, after);
    const [one, two] = await listLevel(rotated, 0);
    if (one === undefined || two === undefined) throw new Error('two files');
    expect(Buffer.compare(await rotated.read(one), before)).toBe(0);
    expect(Buffer.compare(await rotated.read(two), after)).toBe(0);
    await expect(replica.read(two)).rejects.toMatchObject({
      code: 'IDENTITY_REQUIRED',
      message: expect.stringContaining('none of the configured'),
    });
    const both = setup({ recipients: [recipient, laterRecipient], identities: [later] });
    const file = await put(both.replica, 0, 1, 1, before);
    expect(Buffer.compare(await both.replica.read(file), before)).toBe(0);
  });

  test('without one, writing and listing work and reading says what is missing', async () => {
    const { store, replica } = setup({ identities: [] });
    const file = await put(replica, 0, 1, 1);
    expect(replica.canRead).toBe(false);
    expect(await listLevel(replica, 0)).toHaveLength(1);
    for (const reading of [() => replica.read(file), () => replica.contentSize(file)]) {
      await expect(reading()).rejects.toMatchObject({ code: 'IDENTITY_REQUIRED', hint: expect.stringContaining('age.identities') });
    }
    expect(store.openCount).toBe(0);
  });

  test('a reader with identities takes plain and encrypted replicas, and writes plain ones only', async () => {
    const { store, replica } = setup();
    const bytes = ltx(1, 1);
    const file = await put(replica, 0, 1, 1, bytes);
    const reader = setup({ store, recipients: [] }).replica;
    // A job is given files that another object has listed.
    expect(Buffer.compare(await reader.read(file), bytes)).toBe(0);
    await expect(put(setup({ store, recipients: [] }).replica, 0, 2, 2)).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      hint: expect.stringContaining('age.recipients'),
    });
    const plain = new FaultStore(new MemoryStore());
    await plainReplica(plain).write(0, toTXID(1), toTXID(1), bytesBody(bytes), { createdAt: AT });
    const other = setup({ store: plain, recipients: [] }).replica;
    const [there] = await listLevel(other, 0);
    expect(Buffer.compare(await other.read(there ?? file), bytes)).toBe(0);
    await put(other, 0, 2, 2);
    expect((await listLevel(plainReplica(plain), 0)).map(({ maxTXID }) => maxTXID)).toEqual([1n, 2n]);
  });
});

describe('plain and encrypted files never stand side by side', () => {
  test('a plain file where encrypted ones belong is an error, at every level', async () => {
    for (const level of [0, 1, 9] as const) {
      const { store, replica } = setup();
      await plainReplica(store).write(level, toTXID(1), toTXID(1), bytesBody(ltx(1, 1)), { createdAt: AT });
      await expect(replica.maxTXID()).rejects.toMatchObject({
        code: 'NOT_SUPPORTED',
        hint: expect.stringContaining('a destination of its own'),
      });
    }
  });

  test('an encrypted file where plain ones belong is an error, and so is a mixture for whoever reads both', async () => {
    const { store, replica } = setup();
    await put(replica, 0, 1, 1);
    await expect(listLevel(plainReplica(store), 0)).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      hint: expect.stringContaining('age identities'),
    });
    await plainReplica(store).write(0, toTXID(2), toTXID(2), bytesBody(ltx(2, 2)), { createdAt: AT });
    await expect(listLevel(setup({ store, recipients: [] }).replica, 0)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });
});

describe('ciphertext that was touched at the destination', () => {
  async function scene(pages = 400) {
    const { store, replica } = setup();
    const bytes = ltx(1, 1, pages);
    const file = await put(replica, 0, 1, 1, bytes);
    const key = `${keyOf(1)}.age`;
    const cipher = await stored(store, key);
    const replace = (by: Uint8Array) => store.put(key, bytesBody(by));
    return { store, replica: setup({ store }).replica, bytes, file, cipher, replace };
  }

  test('a changed bit, a lost end and a lost last chunk are damage, never content', async () => {
    const { file, cipher, replace, replica } = await scene();
    const flipped = Buffer.from(cipher);
    flipped[100_000] = (flipped[100_000] ?? 0) ^ 1;
    await replace(flipped);
    await expect(replica.read(file)).rejects.toMatchObject({ code: 'LTX_CHECKSUM_MISMATCH' });
    for (const length of [cipher.length - 1, cipher.length - 5000, cipher.length - (cipher.length % 65_552), 300, 150]) {
      await replace(cipher.subarray(0, length));
      await expect(replica.read(file), `${length}`).rejects.toMatchObject({ code: expect.stringMatching(/^LTX_/) });
      await expect(
        replica.read(file, { offset: (await replica.contentSize(file).catch(() => 50)) - 16 }),
        `${length}`,
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^LTX_/),
      });
    }
  });

  test('a header that was changed is no content either', async () => {
    const { file, cipher, replace, replica } = await scene(2);
    for (const at of [5, 40, 100, 150, 190]) {
      const changed = Buffer.from(cipher);
      changed[at] = (changed[at] ?? 0) ^ 2;
      await replace(changed);
      await expect(replica.read(file), `${at}`).rejects.toMatchObject({ code: expect.stringMatching(/^(LTX_|IDENTITY_REQUIRED)/) });
    }
  });

  test('a file that was encrypted anew meanwhile is read as it is now', async () => {
    const { store, file, bytes, replica } = await scene();
    await replica.read(file, { offset: 10, length: 10 });
    await setup({ store, recipients: [recipient, laterRecipient] }).replica.write(0, toTXID(1), toTXID(1), bytesBody(bytes), {
      createdAt: AT,
      ifAbsent: false,
    });
    expect(Buffer.compare(await replica.read(file, { offset: 66_000, length: 100 }), bytes.subarray(66_000, 66_100))).toBe(0);
  });
});

describe('uploads', () => {
  const outage = { type: 'error', error: new LitestreamError('STORAGE_UNAVAILABLE', 'no route') } as const;
  const lost = { type: 'lost-answer', error: new LitestreamError('STORAGE_UNAVAILABLE', 'no answer') } as const;

  test.each([
    ['small', 2],
    ['big', 700],
  ])('a %s file is encrypted once: every attempt sends the same bytes, after a restart too', async (_size, pages) => {
    const bytes = ltx(1, 1, pages);
    const { store, replica } = setup({ staging: 'sealed', identities: [] });
    const local = join(directory.path, 'local.ltx');
    writeFileSync(local, bytes);
    const body = fileBody(local, bytes.length);
    const write = (to: Replica) => to.write(0, toTXID(1), toTXID(1), body, { createdAt: AT });
    const digests: string[] = [];
    const attempt = async (to: Replica): Promise<unknown> => {
      const result = await write(to).catch((error: unknown) => error);
      const [kept] = readdirSync(join(directory.path, 'sealed')).filter((name) => name.startsWith('0-'));
      if (kept !== undefined)
        digests.push(
          createHash('sha256')
            .update(readFileSync(join(directory.path, 'sealed', kept)))
            .digest('hex'),
        );
      return result;
    };
    store.script({ on: 'put', fault: outage, times: 2 }, { on: 'put', fault: lost });
    expect(await attempt(replica)).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(await attempt(replica)).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const restarted = setup({ store, staging: 'sealed', identities: [] }).replica;
    expect(await attempt(restarted)).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(new Set(digests).size).toBe(1);
    expect(digests).toHaveLength(3);
    // It is there: its collision with itself is success.
    await write(setup({ store, staging: 'sealed', identities: [] }).replica);
    expect(
      createHash('sha256')
        .update(await stored(store, `${keyOf(1)}.age`))
        .digest('hex'),
    ).toBe(digests[0]);
    expect(readdirSync(join(directory.path, 'sealed'))).toEqual(['receipts']);
  });

  test('what was encrypted before a rotation is made anew for the new recipients, unless it is there already', async () => {
    const { store, replica } = setup({ staging: 'sealed', identities: [] });
    const [one, two] = [ltx(1, 1), ltx(2, 2)];
    store.script({ on: 'put', fault: outage }, { on: 'put', fault: lost });
    await expect(put(replica, 0, 1, 1, one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect(put(replica, 0, 2, 2, two)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const rotated = setup({ store, staging: 'sealed', recipients: [laterRecipient], identities: [] }).replica;
    await put(rotated, 0, 1, 1, one);
    await put(rotated, 0, 2, 2, two);
    const reader = setup({ store, identities: [later] }).replica;
    const [first, second] = await listLevel(reader, 0);
    if (first === undefined || second === undefined) throw new Error('two files');
    expect(Buffer.compare(await reader.read(first), one)).toBe(0);
    await expect(reader.read(second)).rejects.toMatchObject({ code: 'IDENTITY_REQUIRED' });
    expect(readdirSync(join(directory.path, 'sealed'))).toEqual(['receipts']);
  });

  test('other content under the same name is encrypted anew', async () => {
    const { store, replica } = setup({ staging: 'sealed' });
    store.script({ on: 'put', fault: outage });
    await expect(put(replica, 0, 1, 1)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const bytes = ltx(1, 1);
    const file = await put(replica, 0, 1, 1, bytes);
    expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
  });

  test('ciphertext that the disk has made longer or shorter is never sent, and made anew', async () => {
    const bytes = ltx(1, 1, 700);
    const { store, replica } = setup({ staging: 'sealed' });
    const local = join(directory.path, 'local.ltx');
    writeFileSync(local, bytes);
    const write = () => replica.write(0, toTXID(1), toTXID(1), fileBody(local, bytes.length), { createdAt: AT });
    for (const change of [-1, 1]) {
      store.script({ on: 'put', fault: outage });
      await expect(write()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      const [kept = ''] = readdirSync(join(directory.path, 'sealed')).filter((name) => name.startsWith('0-'));
      const path = join(directory.path, 'sealed', kept);
      const whole = readFileSync(path);
      writeFileSync(path, change < 0 ? whole.subarray(0, -1) : Buffer.concat([whole, Buffer.alloc(1)]));
      await expect(write()).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    }
    const file = await write();
    expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
  });

  test('a file that is confirmed while it is asked for is known all the same', async () => {
    for (let round = 0; round < 100; round++) {
      const sealing = new Sealing({ recipients: [recipient], directory: join(directory.path, 'sealed') });
      const name = `small-${round}`;
      const { receipt } = await sealing.seal(name, bytesBody(random.bytes(1000)), undefined);
      const questions = Array.from({ length: 4 }, async (_, ms) => {
        await new Promise((resolve) => setTimeout(resolve, ms / 2));
        return sealing.known(name, receipt.content);
      });
      const [, ...known] = await Promise.all([sealing.confirmed(name, receipt), ...questions]);
      for (const each of known) expect(each.some((one) => isSameFile(one, receipt.stored))).toBe(true);
    }
  });

  test('what is remembered of a file that was put keeps nothing of the file itself in memory', async () => {
    const sealing = new Sealing({ recipients: [recipient] });
    const { receipt } = await sealing.seal('small', bytesBody(Buffer.alloc(200_000, 1)), undefined);
    await sealing.confirmed('small', receipt);
    const kept = await sealing.receipts.find('small');
    expect(kept && isSameFile(kept.content, receipt.content) && isSameFile(kept.stored, receipt.stored)).toBe(true);
    expect(kept?.content.trailer.buffer.byteLength).toBe(16);
    expect(kept?.stored.trailer.buffer.byteLength).toBe(16);
  });

  test('ciphertext that the disk has changed is never sent, and made anew', async () => {
    const bytes = ltx(1, 1, 700);
    const { store, replica } = setup({ staging: 'sealed' });
    const local = join(directory.path, 'local.ltx');
    writeFileSync(local, bytes);
    const write = () => replica.write(0, toTXID(1), toTXID(1), fileBody(local, bytes.length), { createdAt: AT });
    store.script({ on: 'put', fault: outage });
    await expect(write()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const [kept = ''] = readdirSync(join(directory.path, 'sealed')).filter((name) => name.startsWith('0-'));
    const path = join(directory.path, 'sealed', kept);
    const damaged = readFileSync(path);
    damaged[damaged.length - 10] = (damaged[damaged.length - 10] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    await expect(write()).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    expect(existsSync(path)).toBe(false);
    const file = await write();
    expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
  });

  test('a file of another writer under the same name is told, with and without an identity', async () => {
    for (const identities of [[identity], []]) {
      const { store, replica } = setup();
      await put(replica, 0, 1, 1);
      const other = setup({ store, identities, staging: `other-${identities.length}` }).replica;
      await expect(put(other, 0, 1, 1)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    }
  });

  test('the same content from another machine is success for whoever can read it', async () => {
    const { store, replica } = setup();
    const bytes = ltx(1, 1);
    await put(replica, 0, 1, 1, bytes);
    await expect(put(setup({ store }).replica, 0, 1, 1, bytes)).resolves.toMatchObject({ maxTXID: 1n });
  });

  test('at higher levels a file of the same range is adopted; without an identity if its size fits', async () => {
    const { store, replica } = setup();
    const [small, equal] = [ltx(1, 4), ltx(1, 4)];
    await put(replica, 1, 1, 4, small);
    await expect(put(setup({ store }).replica, 1, 1, 4, ltx(1, 4, 5))).resolves.toMatchObject({ level: 1 });
    await expect(put(setup({ store, identities: [] }).replica, 1, 1, 4, equal)).resolves.toMatchObject({ level: 1 });
    await expect(put(setup({ store, identities: [] }).replica, 1, 1, 4, ltx(1, 4, 9))).rejects.toMatchObject({ code: 'SECOND_WRITER' });
  });

  test('nothing is put when the right to write was lost while it was encrypted', async () => {
    const { store, replica } = setup();
    let asked = 0;
    replica.guardWrites(() => {
      if (++asked > 1) throw new LitestreamError('LEASE_LOST', 'somebody else has it');
    });
    await expect(put(replica, 0, 1, 1)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(store.calls.filter(({ verb }) => verb === 'put')).toEqual([]);
  });

  test('works where the store cannot create only', async () => {
    const { replica } = setup({ capabilities: { conditionalPut: false } });
    const bytes = ltx(1, 1);
    const file = await put(replica, 0, 1, 1, bytes);
    expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
  });
});

describe('whether a file there is a local one', () => {
  const ends = (bytes: Buffer) => ({ size: bytes.length, trailer: bytes.subarray(-16) });
  const first = { level: 0, minTXID: toTXID(1), maxTXID: toTXID(1) } as const;

  test('is known of what was put from here, also without an identity and after a restart', async () => {
    const { store, replica } = setup({ identities: [], staging: 'sealed' });
    const bytes = ltx(1, 1);
    await put(replica, 0, 1, 1, bytes);
    for (const one of [replica, setup({ store, identities: [], staging: 'sealed' }).replica]) {
      expect(await one.holds(first, ends(bytes))).toBe(true);
      expect(await one.holds(first, ends(ltx(1, 1)))).toBeUndefined();
    }
  });

  test('is read with an identity, and not known without one', async () => {
    const { store, replica } = setup();
    const bytes = ltx(1, 1);
    await put(replica, 0, 1, 1, bytes);
    const reader = setup({ store }).replica;
    expect(await reader.holds(first, ends(bytes))).toBe(true);
    expect(await reader.holds(first, ends(ltx(1, 1)))).toBe(false);
    expect(await setup({ store, identities: [] }).replica.holds(first, ends(bytes))).toBeUndefined();
    await expect(reader.holds({ ...first, level: 1 }, ends(bytes))).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});

test('whose file it is is told of what stands there now', async () => {
  const { store, replica } = setup();
  const [ours, theirs] = [ltx(1, 1), ltx(1, 1)];
  const file = await put(replica, 0, 1, 1, ours);
  const reader = setup({ store }).replica;
  await reader.read(file);
  await setup({ store }).replica.write(0, toTXID(1), toTXID(1), bytesBody(theirs), { createdAt: AT, ifAbsent: false });
  const ends = { size: ours.length, trailer: ours.subarray(-16) };
  expect(await reader.holds(file, ends)).toBe(false);
  await expect(put(reader, 0, 1, 1, ours)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
});

test('a directory as destination is read through the decryption, not in place', async () => {
  const root = join(directory.path, 'replica');
  const replica = await openReplica({ type: 'file', path: root, encryption: { recipients: [recipient], identities: [identity] } });
  const bytes = encode(header(1, 1, 2, { timestamp: AT }), [
    [1, constantPage(1)],
    [2, constantPage(2)],
  ]);
  const file = await put(replica, 0, 1, 1, bytes);
  expect(replica.localPath(file)).toBeUndefined();
  expect(Buffer.compare(await replica.read(file), bytes)).toBe(0);
  expect((await listLevel(replica, 0, { exactTimes: true }))[0]?.createdAt).toBe(AT);
  expect(readdirSync(join(root, 'ltx', '0'))).toEqual(['0000000000000001-0000000000000001.ltx.age']);
  await replica.close();
});
