import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { roundTrip } from './large-database.ts';

let directory: TempDirectory;

beforeEach(async () => {
  directory = await tempDirectory();
});

afterEach(() => directory.remove());

test('a database with 64 KiB pages that reaches beyond the lock page comes back byte by byte', async () => {
  await roundTrip(directory.path, 65536, 1040);
  expect.hasAssertions();
}, 600_000);
