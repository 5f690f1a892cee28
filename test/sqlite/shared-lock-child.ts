/** A process that takes and leaves the locks of a metadata directory as it is told. */

import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { LitestreamError } from '../../src/base/errors.ts';
import { isOwned, OwnerLock } from '../../src/sqlite/owner-lock.ts';
import { SharedLock } from '../../src/sqlite/shared-lock.ts';

export type Order = 'acquire' | 'goCold' | 'wake' | 'release' | 'isOwned' | 'isIntact' | 'leave';

const [, , directory = ''] = process.argv;
const id = randomBytes(8).toString('hex');
let shared: SharedLock | undefined;
let own: OwnerLock | undefined;

const acquire = (): void => {
  own = OwnerLock.acquire(directory, { pid: process.pid, startedAt: 1 }, id);
};

const orders: Record<Order, () => unknown> = {
  acquire,
  goCold: () => {
    shared ??= SharedLock.acquire(dirname(directory), id);
    own?.cover(shared.path);
    own?.release();
    return shared.path;
  },
  wake: acquire,
  release: () => own?.release(),
  isOwned: () => isOwned(directory),
  isIntact: () => shared?.isIntact(),
  leave: () => shared?.release(),
};

process.on('message', (order: Order) => {
  try {
    process.send?.({ result: orders[order]() });
  } catch (error) {
    process.send?.({ code: error instanceof LitestreamError ? error.code : String(error) });
  }
});
process.send?.({});
