import { expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { concatenatedLayout, layoutFor } from '../../src/replica/layout.ts';
import { addProof, decodeProofRecord, encodeProofRecord, PROOF_RECORD_NAME, type Proof } from '../../src/replica/proof-record.ts';
import { Replica } from '../../src/replica/replica.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';

const NOW = Date.UTC(2026, 5, 1);

const proof = (outcome: Proof['outcome'], txid: number, more: Partial<Proof> = {}): Proof => ({
  outcome,
  txid: toTXID(txid),
  at: NOW,
  durationMs: 12,
  reasons: outcome === 'passed' ? [] : ['A file is not what was written.'],
  compared: outcome === 'passed',
  tool: '1.2.3',
  ...more,
});

const pageSet = { checksum: '8123456789abcdef', pages: 4, pageSize: 4096 };
const decode = (bytes: Uint8Array) => decodeProofRecord(bytes, NOW);

test('a record reads back as it was written', () => {
  const record = addProof(undefined, 'one', proof('passed', 7, { pageSet }));
  expect(decode(encodeProofRecord(record))).toEqual(record);
  const failed = addProof(record, 'one', proof('failed', 9, { at: NOW + 1000 }));
  expect(decode(encodeProofRecord(failed))).toEqual(failed);
});

test('the last passed one survives failures, and a failure stands until one passes', () => {
  const passed = addProof(undefined, 'one', proof('passed', 7));
  const failed = addProof(passed, 'one', proof('failed', 9));
  expect(failed).toMatchObject({ latest: { outcome: 'failed' }, lastPassed: { txid: 7n }, standing: { txid: 9n } });
  const open = addProof(failed, 'one', proof('inconclusive', 10));
  expect(open).toMatchObject({ latest: { outcome: 'inconclusive' }, lastPassed: { txid: 7n }, standing: { txid: 9n } });
  const again = addProof(open, 'one', proof('passed', 11));
  expect(again.lastPassed?.txid).toBe(11n);
  expect(again.standing).toBeUndefined();
});

test('what is damaged, of a later form or from the future counts as none', () => {
  const text = new TextDecoder().decode(encodeProofRecord(addProof(undefined, 'one', proof('passed', 7, { pageSet }))));
  const changed = (from: string | RegExp, to: string) => decode(new TextEncoder().encode(text.replace(from, to)));
  expect(changed('x', 'x')).toBeDefined();
  for (let length = 0; length < text.length - 2; length += 7)
    expect(decode(new TextEncoder().encode(text.slice(0, length)))).toBeUndefined();
  expect(changed('"version": 1', '"version": 2')).toBeUndefined();
  expect(changed('passed', 'fine')).toBeUndefined();
  expect(changed(/"txid": "[^"]*"/, '"txid": "xyz"')).toBeUndefined();
  expect(changed(pageSet.checksum, 'nonsense')).toBeUndefined();
  expect(changed('2026-06', '2027-06')).toBeUndefined();
  expect(changed('2026-06', '2026-13')).toBeUndefined();
  expect(decode(Uint8Array.of(0xff, 0xfe))).toBeUndefined();
  expect(decode(new TextEncoder().encode('[1]'))).toBeUndefined();
});

test('the record lies beside the levels in both layouts, and no listing of a level shows it', async () => {
  for (const [type, prefix, key] of [
    ['file', 'app', `app/${PROOF_RECORD_NAME}`],
    ['s3', 'app', `app/${PROOF_RECORD_NAME}`],
  ] as const) {
    const store = new MemoryStore();
    const replica = new Replica(store, layoutFor(type), prefix);
    expect(await replica.aux.read(PROOF_RECORD_NAME)).toBeUndefined();
    await replica.aux.write(PROOF_RECORD_NAME, Uint8Array.of(1, 2, 3));
    await replica.aux.write(PROOF_RECORD_NAME, Uint8Array.of(4, 5));
    expect([...((await replica.aux.read(PROOF_RECORD_NAME)) ?? [])]).toEqual([4, 5]);
    expect((await store.stat(key)).size).toBe(2);
    expect(await replica.maxTXID()).toBe(0n);
  }
  expect(concatenatedLayout.auxKey('', PROOF_RECORD_NAME)).toBe(`/${PROOF_RECORD_NAME}`);
});

test('a guarded replica takes no record, and one that is too large is refused', async () => {
  const replica = new Replica(new MemoryStore(), layoutFor('file'));
  await replica.aux.write('large', new Uint8Array(70_000));
  await expect(replica.aux.read('large')).rejects.toMatchObject({ code: 'TOO_LARGE' });
  replica.guardWrites(() => {
    throw new Error('not now');
  });
  await expect(replica.aux.write('small', new Uint8Array(1))).rejects.toThrow('not now');
});
