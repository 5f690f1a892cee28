/** Nobody waits for, or trusts, the client of a cloud that is not used. */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { App } from '../support/app-process.ts';
import { until } from '../support/fake-clock.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const RECORDER = new URL('../support/record-loads.mjs', import.meta.url).href;
/** Nothing listens on the discard port. */
const NOWHERE = '127.0.0.1:9';

const CLOUDS: Readonly<Record<string, RegExp>> = {
  s3: /\/node_modules\/@(?:aws-sdk|smithy)\//,
  abs: /\/node_modules\/@azure\//,
  gs: /\/node_modules\/(?:@google-cloud|google-auth-library|gaxios)\//,
  nats: /\/node_modules\/(?:@nats-io|nats|nkeys\.js)\//,
  sftp: /\/node_modules\/(?:ssh2|ssh2-sftp-client)\//,
  webdav: /\/node_modules\/webdav\//,
};

let temp: TempDirectory;
beforeEach(async () => {
  temp = await tempDirectory();
  const app = await App.start(join(temp.path, 'app.db'));
  await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)');
  await app.stop();
});
afterEach(() => temp.remove());

/** The clients of clouds that a command line loads, and all packages. `hasRunEnough` decides by its output when a daemon is to end. */
async function loadedBy(args: readonly string[], hasRunEnough?: (output: string) => boolean) {
  const loads = join(temp.path, 'loads');
  rmSync(loads, { force: true });
  const child = spawn(process.execPath, ['--no-warnings', '--import', RECORDER, MAIN, ...args], {
    env: { PATH: process.env.PATH, HOME: temp.path, LOADS: loads },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (hasRunEnough !== undefined) {
    await until(() => hasRunEnough(output), 'it had run long enough', 60_000).finally(() => child.kill('SIGTERM'));
  }
  const status = await exit;
  const urls = readFileSync(loads, 'utf8').split('\n');
  const packages = urls.filter((url) => url.includes('/node_modules/'));
  const clouds = Object.keys(CLOUDS).filter((name) => urls.some((url) => CLOUDS[name]?.test(url)));
  return { status, clouds, packages, own: urls.filter((url) => url.includes('/src/')) };
}

test('`version` and `help` load no package at all', async () => {
  for (const args of [['version'], ['help'], ['-h']]) {
    const { status, packages, own } = await loadedBy(args);
    expect({ status, packages }).toEqual({ status: 0, packages: [] });
    expect(own.length).toBeGreaterThan(2);
    expect(own.length).toBeLessThan(20);
  }
});

test('replicating to a directory loads the client of no cloud, in any thread', async () => {
  const replica = join(temp.path, 'replica');
  const file = join(replica, 'ltx/0/0000000000000001-0000000000000001.ltx');
  const { status, clouds, packages } = await loadedBy(
    ['replicate', join(temp.path, 'app.db'), `file://${replica}`],
    // A daemon that is told to end while it starts has not done its work, and says so by its status.
    (output) => output.includes('is running') && existsSync(file),
  );
  expect({ status, clouds }).toEqual({ status: 0, clouds: [] });
  expect(packages.length).toBeGreaterThan(0);
});

test.each([
  ['s3', `s3://bucket/app?endpoint=http://${NOWHERE}&region=us-east-1`],
  ['sftp', `sftp://user:word@${NOWHERE}/app`],
  ['nats', `nats://${NOWHERE}/bucket/app`],
  ['webdav', `webdav://user:word@${NOWHERE}/app`],
] as const)('a destination of %s loads its own client and no other', async (type, url) => {
  const { status, clouds } = await loadedBy(['check', url]);
  expect({ status, clouds }).toEqual({ status: 1, clouds: [type] });
});
