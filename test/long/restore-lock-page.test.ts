import { test } from 'vitest';
import { restoreAcrossLockPage } from '../engine/restore/lock-page-case.ts';

test.each([512, 4096, 32768])(
  'a database with pages of %i bytes is restored across the 1 GiB lock page',
  async (pageSize) => {
    await restoreAcrossLockPage(pageSize);
  },
  600_000,
);
