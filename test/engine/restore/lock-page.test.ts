import { test } from 'vitest';
import { restoreAcrossLockPage } from './lock-page-case.ts';

test('a database across the 1 GiB lock page is restored, the lock page stays zero', async () => {
  await restoreAcrossLockPage(65536);
}, 240_000);
