import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { openReplica } from '../../src/replica/open.ts';
import { bytesBody } from '../../src/storage/body.ts';
import type { StoreOperation } from '../../src/storage/wrap/meter.ts';
import { makeFile } from '../support/local-files.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

let temp: TempDirectory;
beforeEach(async () => {
  temp = await tempDirectory();
});
afterEach(() => temp.remove());

test('a file replica is where the original keeps it, metered, and readable in place', async () => {
  const operations: StoreOperation[] = [];
  const replica = await openReplica({ type: 'file', path: join(temp.path, 'app') }, { meter: (operation) => operations.push(operation) });
  const made = makeFile(1, 1_767_225_600_123);
  const file = await replica.write(0, toTXID(1), toTXID(1), bytesBody(made.bytes), { createdAt: made.at });
  expect(replica.localPath(file)).toBe(join(temp.path, 'app/ltx/0/0000000000000001-0000000000000001.ltx'));
  expect(Buffer.compare(await replica.read(file), made.bytes)).toBe(0);
  expect(await replica.maxTXID()).toBe(1n);
  expect(operations.map(({ operation, bytes }) => [operation, bytes])).toEqual([
    ['PUT', made.size],
    ['GET', made.size],
    ...Array.from({ length: 10 }, () => ['LIST', 0]),
  ]);
  await replica.close();
});
