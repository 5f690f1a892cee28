/** A restore through a network that changes, loses and delays what it carries. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LATEST } from '../../../src/engine/restore/target.ts';
import { openReplica } from '../../../src/replica/open.ts';
import { runJob } from '../../../src/workers/job-host.ts';
import { becomes, Setting, settled } from '../../service/setting.ts';
import type { HTTPFault } from '../../support/fault-proxy.ts';
import type { HTTPBackend } from './backend.ts';
import { HTTP_BACKENDS } from './backends.ts';
import { fault, type Rig } from './rig.ts';

let setting: Setting;
let outputs: string;
beforeEach(() => {
  setting = new Setting();
  outputs = mkdtempSync(join(tmpdir(), 'litestream-faults-'));
});
afterEach(async () => {
  await setting.end();
  rmSync(outputs, { recursive: true, force: true });
});

/** Puts a database there, and returns what its digest is and how a restore's is found. */
async function replicated(rig: Rig<HTTPBackend>): Promise<{ digest: string; restore: () => Promise<string> }> {
  setting.openReplica = ({ store }) => openReplica(store);
  const app = await setting.application();
  const { database } = await setting.start({
    ...setting.entry(),
    replicas: [{ name: 'one', store: rig.spec, syncIntervalMs: 20, maxSyncFiles: Number.POSITIVE_INFINITY }],
  });
  await becomes(database, 'replicating');
  for (let row = 0; row < 4; row++) {
    await app.exec('INSERT INTO t (body) SELECT hex(randomblob(500)) FROM (VALUES (1), (2), (3), (4), (5))');
    await settled(database);
  }
  const restore = async () => {
    const output = join(outputs, 'restored.db');
    await runJob('restore', { store: rig.spec, target: LATEST, output, integrity: 'quick' });
    return app.digestFile(output);
  };
  return { digest: await app.digest(), restore };
}

/** A byte is another one, so far into the answer. */
const flipped = (where: (length: number) => number): HTTPFault => ({
  type: 'edit',
  edit: ({ status, headers, body }) => {
    const changed = Buffer.from(body);
    const at = where(changed.length);
    changed.writeUInt8(changed.readUInt8(at) ^ 0x40, at);
    return { status, headers, body: changed };
  },
});
const inTheMiddle = flipped((length) => Math.floor(length / 2));
/** In the checksum of the file: in compressed pages another byte may also be one that no page is made of. */
const atTheEnd = flipped((length) => length - 3);

const chosen = HTTP_BACKENDS.filter(({ name }) => name === 's3' || name === 'webdav-apache');

fault('Wrong bytes', chosen, (rig, { gets }) => {
  it('on the way are fetched once more', { timeout: 240_000 }, async () => {
    const { digest, restore } = await replicated(rig());
    rig().proxy.script({ when: gets, fault: inTheMiddle });
    expect(await restore()).toBe(digest);
    expect(rig().proxy.outstanding).toBe(0);
  });

  it('that stay wrong are told with their file, and nothing is left at the output', { timeout: 240_000 }, async () => {
    const { restore } = await replicated(rig());
    rig().proxy.script({ when: gets, fault: atTheEnd, times: Number.POSITIVE_INFINITY });
    await expect(restore()).rejects.toMatchObject({
      code: expect.stringMatching(/^LTX_/),
      message: expect.stringMatching(/[0-9a-f]{16}-[0-9a-f]{16}.*checksum is [0-9a-f]{16}, its content gives [0-9a-f]{16}/),
    });
    expect(readdirSync(outputs)).toEqual([]);
  });
});

fault('Reset or truncated body on read', chosen, (rig, { gets }) => {
  it('a restore just takes longer', { timeout: 240_000 }, async () => {
    const { digest, restore } = await replicated(rig());
    for (const at of ['header', 'first byte', 'middle', 'last byte'] as const)
      rig().proxy.script({ when: gets, fault: { type: 'cut', of: 'answer', at } });
    expect(await restore()).toBe(digest);
    expect(rig().proxy.outstanding).toBe(0);
  });
});
