/** Destinations that cannot be reached. */

import { expect, it } from 'vitest';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { FakeClock, until } from '../../support/fake-clock.ts';
import { BACKENDS, TCP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, keys, put } from './rig.ts';
import { whileTimePasses } from './time.ts';

const BYTES = content(20_000);
const ROW = 'Connect time-out, DNS failure, refused';

fault(ROW, BACKENDS, (rig) => {
  it('refused: is told by host and reason after all attempts, and over when somebody listens again', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    const store = await rig().open();
    await proxy.down();
    for (const result of await Promise.allSettled([put(store, key, BYTES), keys(store, rig().prefix), get(store, key)]))
      expect(result).toMatchObject({ reason: { code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1') } });
    await proxy.up();
    await put(store, key, BYTES);
    expectSame(await get(store, key), BYTES);
  });

  it('broken in the middle of a day: the next call connects again', async () => {
    const { proxy } = rig();
    const key = rig().key('object');
    const store = await rig().open();
    await put(store, key, BYTES);
    await proxy.down();
    await proxy.up();
    expectSame(await get(store, key), BYTES);
    await put(store, rig().key('other'), BYTES);
    expect(await keys(store, rig().prefix)).toEqual([key, rig().key('other')]);
  });

  it('unknown by name: is told', async () => {
    const store = await rig().open(withHost(rig().spec, 'no-such-host.invalid'));
    await expect(keys(store, rig().prefix)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });
});

fault(ROW, TCP_BACKENDS, (rig) => {
  it('silent: is given up after its time', async () => {
    const { proxy } = rig();
    const clock = new FakeClock();
    const store = await rig().open(rig().spec, clock);
    proxy.script({ type: 'silence', direction: 'to client', after: 0 }, Number.POSITIVE_INFINITY);
    const listing = keys(store, rig().prefix);
    listing.catch(() => {});
    await until(() => proxy.isSilent, 'the connection is silent');
    await expect(whileTimePasses(clock, listing, Number.POSITIVE_INFINITY)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    proxy.heal();
    expect(await whileTimePasses(clock, keys(store, rig().prefix), 0)).toEqual([]);
  });
});

function withHost(spec: StoreSpec, host: string): StoreSpec {
  if (spec.type === 'sftp') return { ...spec, host };
  if (spec.type === 'nats') return { ...spec, servers: [`nats://${host}:4222`] };
  if (!('endpoint' in spec) || spec.endpoint === undefined) throw new Error('no endpoint');
  return { ...spec, endpoint: spec.endpoint.replace('127.0.0.1', host) };
}
