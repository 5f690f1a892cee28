import { expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { Level } from '../../src/replica/file-info.ts';
import { keyOf, layoutFor } from '../../src/replica/layout.ts';

const RANGE = { minTXID: toTXID(1), maxTXID: toTXID(255) };
const NAME = '0000000000000001-00000000000000ff.ltx';

test.each([
  ['file', '', 9, `ltx/9/${NAME}`],
  ['gs', 'backups/app', 9, `backups/app/ltx/9/${NAME}`],
  ['abs', 'backups/app/', 0, `backups/app/ltx/0/${NAME}`],
  ['sftp', 'a//b/./c/..', 1, `a/b/ltx/1/${NAME}`],
  ['nats', '.', 1, `ltx/1/${NAME}`],
  ['memory', '', 0, `ltx/0/${NAME}`],
  ['webdav', 'x', 8, `x/ltx/8/${NAME}`],
  ['s3', 'backups/app', 9, `backups/app/0009/${NAME}`],
  ['s3', '', 0, `/0000/${NAME}`],
  ['s3', '.', 0, `./0000/${NAME}`],
  ['oss', 'db/', 1, `db//0001/${NAME}`],
] as const)('%s with path "%s" keeps level %i where the original does', (type, prefix, level, key) => {
  expect(keyOf(layoutFor(type), prefix, level as Level, RANGE)).toBe(key);
});
