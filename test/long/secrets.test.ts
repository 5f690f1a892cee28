/** Real commands against destinations that do not answer: what they say about them holds no secret. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { litestream } from '../../tools/processes.ts';
import { Scene } from '../e2e/scene.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

const KEY = Buffer.from('plain words as an account key').toString('base64');
const CONFIG = `
dbs:
  - path: app.db
    replicas:
      - {type: s3, bucket: bkt, endpoint: "http://127.0.0.1:1", access-key-id: plain words 1, secret-access-key: plain words 2, session-token: plain words 3}
      - {type: abs, bucket: bkt, endpoint: "http://127.0.0.1:1/acc", account-name: acc, account-key: ${KEY}}
      - {type: abs, bucket: bkt2, endpoint: "http://127.0.0.1:1/acc", sas-token: "sv=1&sig=plain+words"}
      - {type: sftp, host: "127.0.0.1:1", user: u, path: /x, password: plain words 4, verify-host-key: false}
      - {url: "nats://u:plain%20words%205@127.0.0.1:1/bkt", timeout: 1s}
      - {url: "webdav://u:plain%20words%206@127.0.0.1:1/x"}
      - {type: oss, bucket: bkt, endpoint: "http://127.0.0.1:1", access-key-id: plain words 7, secret-access-key: plain words 8}
`;

test.each([
  ['config', 'check', '-print', '-json'],
  ['check'],
  ['databases', '-json'],
  ['status'],
  ['ltx', '-json'],
  ['restore', '-o', 'copy.db', 'app.db'],
  ['restore', 'sftp://u:plain%20words%204@127.0.0.1:1/other'],
])('litestream %s', { timeout: 180_000 }, async (...args) => {
  scene.write('litestream.yml', CONFIG);
  scene.db();
  const [command = '', ...rest] = args;
  const sub = command === 'config' ? rest.splice(0, 1) : [];
  const { stdout, stderr } = await litestream(scene.directory, command, ...sub, '-config', 'litestream.yml', ...rest);
  expect(stdout + stderr).not.toBe('');
  expect(stdout + stderr).not.toMatch(/plain(?: |%20|\+)words/);
  expect(stdout + stderr).not.toContain(KEY);
});
