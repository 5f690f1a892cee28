/** Ten minutes without the destination, with everything between uploader and client as in production. */

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Uploader } from '../../../src/engine/upload/uploader.ts';
import { NO_TXID, toTXID } from '../../../src/formats/ltx/txid.ts';
import { concatenatedLayout } from '../../../src/replica/layout.ts';
import { wrapStore } from '../../../src/replica/open.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { RETRY_DEFAULTS } from '../../../src/storage/wrap/retry.ts';
import { listKeys } from '../../storage/contract/bodies.ts';
import { FakeClock, settleFiles } from '../../support/fake-clock.ts';
import { FaultStore, type StoreVerb } from '../../support/fault-store.ts';
import { makeFile, publishFile } from '../../support/local-files.ts';
import { randomFrom } from '../../support/random.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const MINUTE = 60_000;
const VERBS: readonly StoreVerb[] = ['list', 'open', 'put', 'stat', 'delete'];
const FAILURES: readonly { readonly how: string; readonly code: ErrorCode; readonly details?: Record<string, unknown> }[] = [
  { how: 'cannot be reached', code: 'STORAGE_UNAVAILABLE' },
  { how: 'throttles everything', code: 'STORAGE_THROTTLED' },
  { how: 'throttles and names a moment', code: 'STORAGE_THROTTLED', details: { retryAfterMs: 30_000 } },
  { how: 'answers with the page of a proxy', code: 'RESPONSE_INVALID' },
  { how: 'has no room', code: 'STORAGE_FULL' },
  { how: 'takes the login for expired', code: 'CREDENTIALS_INVALID' },
];

test.each(FAILURES)('a destination that $how for ten minutes gets everything afterwards, by itself', async ({ code, details = {} }) => {
  const temp = await tempDirectory();
  const clock = new FakeClock(undefined, settleFiles);
  const faults = new FaultStore(new MemoryStore({ clock }));
  const retry = { settings: { ...RETRY_DEFAULTS, random: randomFrom(9) } };
  const store = wrapStore(faults, { type: 's3', bucket: 'b', path: 'db' }, { clock, retry });
  const directory = join(temp.path, 'ltx', '0');
  const uploader = new Uploader({
    settings: { name: 's3', store: { type: 's3', bucket: 'b', path: 'db' }, syncIntervalMs: 1000, maxSyncFiles: 256 },
    replica: new Replica(store, concatenatedLayout, 'db'),
    directory,
    clock,
    log: silentLogger,
    onEvent: () => {},
  });
  onTestFinished(async () => {
    await uploader.close();
    await temp.remove();
  });
  const publish = async (txid: number) => {
    const { size, at } = await publishFile(directory, makeFile(txid, clock.now()));
    uploader.notify({ txid: toTXID(txid), size, at });
  };
  const settled = async (txid: number, limitMs: number) => {
    for (let ms = 0; uploader.position !== toTXID(txid) && ms < limitMs; ms += 1000) {
      await clock.advance(1000);
    }
    expect(uploader.position).toBe(toTXID(txid));
  };

  uploader.start();
  await publish(1);
  await settled(1, MINUTE);
  const error = new LitestreamError(code, 'scripted', { details });
  for (const on of VERBS) faults.script({ on, times: 1e6, fault: { type: 'error', error } });
  faults.calls.length = 0;
  for (let minute = 0; minute < 10; minute++) {
    await publish(2 + minute);
    for (let second = 0; second < 60; second++) await clock.advance(1000);
  }
  expect(uploader.position === undefined || uploader.position === toTXID(1) || uploader.position === NO_TXID).toBe(true);
  // Not a hammering: ten attempts a call in the first minutes, then two at the uploader's slow pace.
  expect(faults.calls.length).toBeLessThan(650);
  faults.heal();
  await settled(11, 10 * MINUTE);
  expect((await listKeys(faults)).filter((key) => key.startsWith('db/0000/'))).toHaveLength(11);
});
