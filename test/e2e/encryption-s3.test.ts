/** An encrypted replica in a bucket: no stored byte and no key tells what is in the database. */

import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readAll } from '../../src/storage/body.ts';
import { kill } from '../../tools/processes.ts';
import { TestBucket } from '../storage/s3/bucket.ts';
import { describeWith, SERVICE_START_MS } from '../support/services.ts';
import { POLL, Scene } from './scene.ts';

describeWith('s3', 'an encrypted replica in a bucket', () => {
  let bucket: TestBucket;
  let scene: Scene;
  beforeAll(async () => {
    bucket = await TestBucket.create();
  }, SERVICE_START_MS);
  beforeEach(() => {
    scene = new Scene();
  });
  afterEach(async () => {
    await scene.end();
    await bucket.empty();
  });

  function config(age: { readonly recipients: readonly string[]; readonly identities: readonly string[] }): void {
    const { endpoint, region, accessKeyID, secretAccessKey } = bucket.address;
    scene.write(
      'litestream.yml',
      [
        'levels: [{interval: 500ms}, {interval: 1s}]',
        'snapshot: {interval: 2s, retention: 1h}',
        'dbs:',
        '  - path: app.db',
        '    replica:',
        '      type: s3',
        `      bucket: ${bucket.name}`,
        '      path: app',
        `      endpoint: ${endpoint}`,
        `      region: ${region}`,
        '      force-path-style: true',
        `      access-key-id: ${accessKeyID}`,
        `      secret-access-key: ${secretAccessKey}`,
        '      sync-interval: 50ms',
        `      age: {recipients: [${age.recipients.join(', ')}], identities: [${age.identities.join(', ')}]}`,
        '',
      ].join('\n'),
    );
  }

  async function objects(): Promise<Map<string, Buffer>> {
    const store = bucket.store();
    const found = new Map<string, Buffer>();
    for await (const { key } of store.list('')) found.set(key, Buffer.from(await readAll(await store.open(key))));
    return found;
  }

  test('after merges, snapshots and a proof, and after a rotation with a rekey', { timeout: 400_000 }, async () => {
    const [identity, later] = [await generateX25519Identity(), await generateX25519Identity()];
    const [recipient, laterRecipient] = [await identityToRecipient(identity), await identityToRecipient(later)];
    config({ recipients: [recipient], identities: [identity] });
    scene.insert('CANARY first');
    const daemon = await scene.daemon();
    await scene.replicates();
    for (let i = 0; i < 4; i++) {
      scene.insert(`CANARY ${i}`);
      await scene.ok('sync', '-wait', 'app.db');
    }
    scene.insert('CANARY'.repeat(200_000));
    await scene.ok('sync', '-wait', 'app.db');
    const levels = async () => [...new Set([...(await objects()).keys()].map((key) => key.slice(0, 8)))];
    await expect.poll(levels, POLL).toEqual(expect.arrayContaining(['app/0000', 'app/0001', 'app/0002', 'app/0009']));
    expect(await scene.ok('verify', 'app.db')).toContain('passed');
    await kill(daemon.child, 'SIGTERM');

    const stored = await objects();
    for (const [key, bytes] of stored) {
      expect(key).toMatch(/^app\/(000[0-9]\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx\.age|litestream-proof\.json)$/);
      expect(bytes.includes('CANARY'), key).toBe(false);
    }
    expect(await scene.restored()).toHaveLength(6);

    config({ recipients: [laterRecipient], identities: [later, identity] });
    expect(await scene.ok('rekey', 'app.db')).toMatch(/rekeyed/);
    const afterwards = await objects();
    for (const [key, bytes] of stored) if (key.endsWith('.age')) expect(afterwards.get(key)?.equals(bytes), key).toBe(false);
    config({ recipients: [laterRecipient], identities: [later] });
    expect(await scene.restored()).toHaveLength(6);
  });
});
