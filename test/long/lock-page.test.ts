import { afterEach, beforeEach, expect, test } from 'vitest';
import { roundTrip } from '../e2e/large-database.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

let directory: TempDirectory;

beforeEach(async () => {
  directory = await tempDirectory();
});

afterEach(() => directory.remove());

test.each([
  [512, 1040],
  [4096, 1040],
  [4096, 3000],
  [32768, 1040],
])(
  'a database with pages of %i bytes and %i MiB comes back byte by byte',
  async (pageSize, megabytes) => {
    await roundTrip(directory.path, pageSize, megabytes);
    expect.hasAssertions();
  },
  20 * 60_000,
);
