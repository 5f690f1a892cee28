/** What was written by an attempt whose answer was lost, and what was written by somebody else, are told apart. */

import { expect, it } from 'vitest';
import type { TXID } from '../../../src/formats/ltx/txid.ts';
import type { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { BACKENDS, HTTP_BACKENDS } from './backends.ts';
import { content, fault } from './rig.ts';

const OURS = content(40_000, 1);
const THEIRS = content(40_000, 2);
const TX = 7n as TXID;

const write = (replica: Replica, bytes: Uint8Array) => replica.write(0, TX, TX, bytesBody(bytes), { createdAt: Date.UTC(2026, 0, 1) });

fault('Two writers', HTTP_BACKENDS, (rig, { puts }) => {
  it.each([
    ['whose answer is lost', { type: 'lost answer' }],
    ['that is delivered twice', { type: 'twice', hears: 'second' }],
    ['whose answer is cut', { type: 'cut', of: 'answer', at: 'header' }],
  ] as const)('a put %s is ours', async (_what, fault) => {
    const { proxy } = rig();
    const replica = await rig().replica();
    proxy.script({ when: puts, fault });
    await write(replica, OURS);
    expect(proxy.outstanding).toBe(0);
    expect(await replica.maxTXID()).toBe(TX);
  });
});

fault('Two writers', BACKENDS, (rig) => {
  it('a file of the same name with other content is another writer, and stays as it is', async () => {
    const replica = await rig().replica();
    const other = await rig().replica();
    await write(other, THEIRS);
    await write(other, THEIRS);
    await expect(write(replica, OURS)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    const file = await replica.newest(0);
    if (file === undefined) throw new Error('it is gone');
    expect(Buffer.from(await replica.read(file)).equals(THEIRS)).toBe(true);
  });
});
