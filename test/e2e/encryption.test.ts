/** Encrypted replicas from the outside: what stands at the destination, who can read it, and what is said to those who cannot. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { absence, peerDirectory } from '../../tools/peers.ts';
import { ended, kill } from '../../tools/processes.ts';
import { POLL, Scene, said } from './scene.ts';

const CANARY = 'CANARY-of-the-database';
const hasAge = spawnSync('age', ['--version']).status === 0;
if (!hasAge) console.log('skipped: the command age is not installed (Debian package age)');
const extension = peerDirectory('vfs');
if (extension === undefined) console.log(`skipped: ${absence('vfs')}`);

const LIFE = [
  'levels: [{interval: 500ms}, {interval: 1s}]',
  'snapshot: {interval: 2s, retention: 1h}',
  'l0-retention: 500ms',
  'l0-retention-check-interval: 500ms',
].join('\n');

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const later = await generateX25519Identity();
const laterRecipient = await identityToRecipient(later);

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

interface Keys {
  readonly recipients?: readonly string[];
  readonly identities?: readonly string[];
}

/** The scene's configuration with `age` and `more` keys of the replica. */
function config({ recipients = [], identities = [] }: Keys, { top = '', more = '' } = {}): void {
  const age = `{recipients: [${recipients.join(', ')}], identities: [${identities.join(', ')}]}`;
  const replica = `    replica:\n      path: replica\n      sync-interval: 50ms\n      age: ${age}\n${more}`;
  scene.write('litestream.yml', `${top}\ndbs:\n  - path: app.db\n${replica}`);
}

const OURS: Keys = { recipients: [recipient], identities: [identity] };

/** Every file below a directory, as paths inside it. */
const filesOf = (directory: string): string[] =>
  readdirSync(scene.at(directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(scene.at(directory).length + 1))
    .sort();

const canaries = (directory: string): string[] =>
  filesOf(directory).filter((path) => path.includes('CANARY') || readFileSync(scene.at(directory, path)).includes('CANARY'));

/** Changes go to the replica once. */
const once = (): Promise<string> => scene.ok('replicate', '-once');

test('nothing at the destination tells what is in the database: not after merges, snapshots, a proof and under a lease', async () => {
  config(OURS, { top: LIFE, more: '      lease: {ttl: 30s}\n' });
  scene.db().exec(`CREATE TABLE "${CANARY}" (x); CREATE INDEX "${CANARY}-index" ON "${CANARY}" (x)`);
  scene.insert(CANARY);
  const daemon = await scene.daemon();
  await scene.replicates();
  for (let i = 0; i < 6; i++) {
    scene.insert(`${CANARY} ${i}`);
    await scene.ok('sync', '-wait', 'app.db');
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  scene.insert(CANARY.repeat(20_000));
  await scene.ok('sync', '-wait', 'app.db');
  await expect.poll(() => ['1', '2', '9'].every((level) => existsSync(scene.at('replica', 'ltx', level))), POLL).toBe(true);
  expect(await scene.ok('verify', '-check', 'full', 'app.db')).toContain('passed');
  daemon.child.kill('SIGTERM');
  await ended(daemon.child);
  const files = filesOf('replica');
  expect(files).toContain('litestream-proof.json');
  expect(files).toContain('lock.json');
  for (const path of files) expect(path).toMatch(/^ltx\/[0-9]\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx\.age$|^litestream-proof\.json$|^lock\.json$/);
  expect(canaries('replica')).toEqual([]);
  expect(daemon.output()).not.toContain(identity);
  expect(await scene.restored()).toHaveLength(8);
  // The same bytes without encryption would show it: the search is not blind.
  scene.write('litestream.yml', 'dbs:\n  - path: app.db\n    replica: {path: plain}\n');
  await once();
  expect(canaries('plain')).not.toEqual([]);
});

test('a kill between two moments loses nothing and leaves one history', async () => {
  config(OURS, { top: LIFE });
  scene.insert('first');
  for (let life = 0; life < 4; life++) {
    const daemon = await scene.daemon();
    await scene.replicates();
    for (let i = 0; i < 5; i++) scene.insert(`${life}-${i}`);
    if (life % 2 === 0) await scene.ok('sync', '-wait', 'app.db');
    await kill(daemon.child);
  }
  await once();
  expect(await scene.restored()).toHaveLength(21);
});

test('restore reads with an earlier identity after a rotation, and says plainly when it has none that fits', async () => {
  config(OURS);
  scene.insert('one');
  await once();
  config({ recipients: [laterRecipient], identities: [later, identity] });
  scene.insert('two');
  await once();
  expect(await scene.restored()).toEqual(['one', 'two']);
  config({ recipients: [laterRecipient], identities: [later] });
  // The first state: the newest may have been merged for the later recipient, where the process took its time.
  const wrong = await scene.with('restore', '-o', 'x.db', '-txid', '1', 'app.db');
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/Error: .*none of the configured age identities/);
  expect(wrong.stderr).toMatch(/Hint: .*age\.identities/);
  config({ recipients: [laterRecipient] });
  const none = await scene.with('restore', '-o', 'x.db', 'app.db');
  expect(none.status).toBe(1);
  expect(none.stderr).toMatch(/Error: .*no age identity is configured/);
  scene.write('litestream.yml', 'dbs:\n  - path: app.db\n    replica: {path: replica}\n');
  const blind = await scene.with('restore', '-o', 'x.db', 'app.db');
  expect(blind.status).toBe(1);
  expect(blind.stderr).toMatch(/Error: .*holds encrypted files/);
  expect(existsSync(scene.at('x.db'))).toBe(false);
  const url = `file://${scene.at('replica')}`;
  expect((await scene.run('restore', '-o', 'url.db', url)).stderr).toMatch(/LITESTREAM_AGE_IDENTITY/);
  process.env.LITESTREAM_AGE_IDENTITY = later;
  const byURL = await scene.run('restore', '-o', 'url.db', '-txid', '1', url);
  delete process.env.LITESTREAM_AGE_IDENTITY;
  expect(byURL.stderr).toMatch(/none of the configured age identities/);
  config({ identities: [later, identity] });
  expect(await scene.restored()).toEqual(['one', 'two']);
});

test('identities may stand in a file, with comments', async () => {
  writeFileSync(scene.at('keys.txt'), `# created: today\n# public key: ${recipient}\n${identity}\n`, { mode: 0o600 });
  writeFileSync(scene.at('recipients.txt'), `# the host\n${recipient}\n`);
  config({ recipients: ['./recipients.txt'], identities: ['./keys.txt'] });
  scene.insert('one');
  await once();
  expect(await scene.restored()).toEqual(['one']);
});

test('a host without an identity goes on writing, merges what it has, and says what it cannot do', async () => {
  config({ recipients: [recipient] }, { top: LIFE });
  scene.insert('first');
  const daemon = await scene.daemon();
  await scene.replicates();
  for (let i = 0; i < 6; i++) {
    scene.insert(`row ${i}`);
    await scene.ok('sync', '-wait', 'app.db');
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  const levels = () => readdirSync(scene.at('replica', 'ltx')).sort();
  await expect.poll(levels, POLL).toEqual(['0', '1', '9']);
  await said(daemon, 'this host cannot read it');
  expect(daemon.output().match(/this host cannot read it/g)).toHaveLength(1);
  const status = (await scene.json('status', 'app.db')) as {
    databases?: { replicas: { state: string; write_only?: string; troubles?: unknown }[] }[];
  };
  const [replica] = JSON.stringify(status).match(/"write_only":"[^"]*"/) ?? [];
  expect(replica).toContain('no age identity is configured here');
  expect(JSON.stringify(status)).toContain('"state":"replicating"');
  expect(JSON.stringify(status)).not.toContain('"troubles"');
  const verify = await scene.with('verify', 'app.db');
  expect(verify.status).toBe(1);
  expect(verify.stdout + verify.stderr).toMatch(/inconclusive/);
  expect(verify.stdout + verify.stderr).toMatch(/no identity/);
  await kill(daemon.child, 'SIGKILL');
  // What was sent by the process that was killed is recognised by the next, without an identity.
  const second = await scene.daemon();
  scene.insert('after');
  await scene.ok('sync', '-wait', 'app.db');
  expect(second.output()).not.toMatch(/does not know|another history|full file/);
  second.child.kill('SIGTERM');
  await ended(second.child);
  config(OURS);
  expect(await scene.restored()).toHaveLength(8);
});

test('plain and encrypted files never come under one prefix, in either order', async () => {
  scene.write('litestream.yml', 'dbs:\n  - path: app.db\n    replica: {path: replica}\n');
  scene.insert('plain');
  await once();
  const before = filesOf('replica');
  config(OURS);
  scene.insert('secret');
  const refused = await scene.with('replicate', '-once');
  expect(refused.status).not.toBe(0);
  expect(refused.stdout + refused.stderr).toMatch(/to be encrypted, but holds plain files/);
  expect(refused.stdout + refused.stderr).toMatch(/a destination of its own/);
  // A daemon that has nothing else to do ends with the same reason.
  const daemon = await scene.with('replicate');
  expect(daemon.status).toBe(1);
  expect(daemon.stderr).toMatch(/Error: .*to be encrypted, but holds plain files/);
  expect(filesOf('replica')).toEqual(before);
  renameSync(scene.at('replica'), scene.at('plain'));
  await scene.ok('reset', 'app.db');
  await once();
  const encrypted = filesOf('replica');
  scene.write('litestream.yml', 'dbs:\n  - path: app.db\n    replica: {path: replica}\n');
  scene.insert('third');
  const other = await scene.with('replicate', '-once');
  expect(other.status).not.toBe(0);
  expect(other.stdout + other.stderr).toMatch(/holds encrypted files/);
  expect(filesOf('replica')).toEqual(encrypted);
});

test('two replicas of one database, one plain and one encrypted, help each other in a restore and a repair', async () => {
  const age = `{recipients: [${recipient}], identities: [${identity}]}`;
  scene.write(
    'litestream.yml',
    // A merge or a snapshot would hold once more what is taken away below.
    `levels: []\nsnapshot: {interval: 24h}\ndbs:\n  - path: app.db\n    checkpoint-interval: 0\n    replicas:\n      - {name: plain, path: plain}\n      - {name: secret, path: replica, age: ${age}}\n`,
  );
  // Large enough that one row is a part of it: only increments prove a history.
  scene.insert('x'.repeat(100_000));
  const daemon = await scene.daemon();
  await scene.replicates();
  // The next one is due in a day.
  const first = '0000000000000001-0000000000000001.ltx';
  const snapshots = [scene.at('plain', 'ltx', '9', first), scene.at('replica', 'ltx', '9', `${first}.age`)];
  await expect.poll(() => snapshots.filter((path) => !existsSync(path)), POLL).toEqual([]);
  for (let i = 1; i < 5; i++) {
    scene.insert(`row ${i}`);
    await scene.ok('sync', '-wait', 'app.db');
  }
  await kill(daemon.child, 'SIGTERM');
  const damaged = scene.at('replica', 'ltx', '0', '0000000000000003-0000000000000003.ltx.age');
  const bytes = readFileSync(damaged);
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
  writeFileSync(damaged, bytes);
  rmSync(scene.at('plain', 'ltx', '0', '0000000000000005-0000000000000005.ltx'));
  const named = await scene.run('restore', '-config', 'litestream.yml', '-o', 'named.db', '-replica', 'secret', 'app.db');
  expect(named.status).toBe(1);
  expect(named.stderr).toMatch(/LTX_\w+|0000000000000003/);
  expect(named.stderr).toMatch(
    /Without -replica the file is taken from another replica \(plain\), and litestream repair \S+app\.db copies it/,
  );
  expect(existsSync(scene.at('named.db'))).toBe(false);
  expect(await scene.restored()).toHaveLength(5);
  expect(await scene.ok('repair', 'app.db')).toMatch(/repaired/);
  expect(readFileSync(damaged)).not.toEqual(bytes);
  expect(filesOf('replica').filter((path) => path.endsWith('.ltx'))).toEqual([]);
  expect(filesOf('plain').filter((path) => path.endsWith('.age'))).toEqual([]);
  expect(canaries('replica')).toEqual([]);
  rmSync(scene.at('plain'), { recursive: true });
  expect(await scene.restored('-replica', 'secret')).toHaveLength(5);
});

test('rekey encrypts everything for the new recipients, through the daemon and without it', async () => {
  config(OURS, { top: LIFE });
  scene.insert('one');
  await once();
  scene.insert('x'.repeat(3_000_000));
  await once();
  const keys = { recipients: [laterRecipient], identities: [later, identity] };
  config(keys, { top: LIFE });
  expect(await scene.ok('rekey', '-dry-run', 'app.db')).toMatch(/planned: app on file: \d+ files/);
  const before = filesOf('replica').map((path) => readFileSync(scene.at('replica', path)).toString('hex').slice(0, 600));
  expect(await scene.ok('rekey', 'app.db')).toMatch(/rekeyed: app on file: \d+ files \(\d+ bytes\) encrypted for 1 recipient/);
  const afterwards = filesOf('replica').map((path) => readFileSync(scene.at('replica', path)).toString('hex').slice(0, 600));
  expect(afterwards.filter((text) => before.includes(text))).toEqual([]);
  config({ recipients: [laterRecipient], identities: [later] }, { top: LIFE });
  expect(await scene.restored()).toEqual(['one', 'x'.repeat(3_000_000)]);
  // Back again, by a daemon whose merges and retention go on.
  config({ recipients: [recipient], identities: [later, identity] }, { top: LIFE });
  const daemon = await scene.daemon();
  await scene.replicates();
  for (let i = 0; i < 5; i++) {
    scene.insert(`row ${i}`);
    await scene.ok('sync', '-wait', 'app.db');
  }
  expect(await scene.ok('rekey', 'app.db')).toMatch(/rekeyed/);
  scene.insert('last');
  await scene.ok('sync', '-wait', 'app.db');
  daemon.child.kill('SIGTERM');
  await ended(daemon.child);
  config(OURS, { top: LIFE });
  expect(await scene.restored()).toHaveLength(8);
  config({ recipients: [recipient] });
  const blind = await scene.with('rekey', 'app.db');
  expect(blind.status).toBe(1);
  expect(blind.stderr).toMatch(/no age identity is configured/);
});

test('followers and listings work with an identity', async () => {
  config(OURS, { more: '      mirror: copy.db\n' });
  scene.insert('one');
  const daemon = await scene.daemon();
  await scene.replicates();
  scene.insert('two');
  await scene.ok('sync', '-wait', 'app.db');
  await expect.poll(() => (existsSync(scene.at('copy.db')) ? scene.bodies('copy.db').length : 0), POLL).toBe(2);
  expect(await scene.ok('ltx', 'app.db')).toContain('0000000000000001');
  await kill(daemon.child, 'SIGTERM');
});

test.runIf(hasAge)('the command age decrypts what is stored to the very LTX file, and what it encrypts is restored', async () => {
  writeFileSync(scene.at('key.txt'), `${identity}\n`, { mode: 0o600 });
  config(OURS);
  scene.insert('one');
  await once();
  scene.insert('x'.repeat(500_000));
  await once();
  for (const name of readdirSync(scene.at('replica', 'ltx', '0'))) {
    const plain = execFileSync('age', ['-d', '-i', scene.at('key.txt'), scene.at('replica', 'ltx', '0', name)], { maxBuffer: 1e8 });
    const local = readFileSync(scene.at('.app.db-litestream', 'ltx', '0', name.slice(0, -4)));
    expect(Buffer.compare(plain, local), name).toBe(0);
  }
  // A plain replica, encrypted by hand.
  scene.write('litestream.yml', 'dbs:\n  - path: app.db\n    replica: {path: plain}\n');
  await once();
  for (const path of filesOf('plain').filter((name) => name.endsWith('.ltx'))) {
    mkdirSync(join(scene.at('byhand', path), '..'), { recursive: true });
    execFileSync('age', ['-r', recipient, '-r', laterRecipient, '-o', scene.at('byhand', `${path}.age`), scene.at('plain', path)]);
  }
  scene.write('litestream.yml', `dbs:\n  - path: app.db\n    replica: {path: byhand, age: {identities: [${later}]}}\n`);
  expect(await scene.restored()).toEqual(['one', 'x'.repeat(500_000)]);
});

test.runIf(extension !== undefined)('the original sees no files there, and never garbage', async () => {
  config(OURS);
  scene.insert('one');
  await once();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LITESTREAM_REPLICA_URL: `file://${scene.at('replica')}`,
    LITESTREAM_LOG_FILE: '/dev/null',
  };
  delete env.AWS_CA_BUNDLE;
  const query = new URL('../support/vfs-query.ts', import.meta.url).pathname;
  // It waits for the first file of an empty replica.
  const asked = spawnSync(process.execPath, [query, join(extension ?? '', 'litestream-vfs.so'), 'SELECT count(*) AS n FROM t'], {
    env,
    encoding: 'utf8',
    timeout: 8000,
  });
  expect(asked.stdout).not.toMatch(/"n":/);
  expect(asked.status).not.toBe(0);
});
