/** What holds for the keys of every kind of store. */

import { describe, expect, test } from 'vitest';
import { forgetSecrets } from '../../../src/base/redact.ts';
import { describeSettings } from '../../../src/config/describe.ts';
import { settingsFromText } from '../../../src/config/load.ts';
import { REPLICA_KEYS, type SectionSpec, TOP_KEYS } from '../../../src/config/schema.ts';
import { conditionsOf } from '../../../src/config/stores/conditions.ts';
import { STORE_KEYS, STORE_KINDS } from '../../../src/config/stores/kinds.ts';
import { openStore, STORE_TYPES } from '../../../src/storage/registry.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { resolved, storeOfURL } from './support.ts';

describe('keys', () => {
  test('a key that several kinds read has one form, and is a secret for all of them or none', () => {
    for (const { type, keys } of STORE_KINDS) {
      for (const [name, { kind, secret, words }] of Object.entries(keys))
        expect({ type, name, ...pick(REPLICA_KEYS as SectionSpec, name) }).toEqual({ type, name, kind, secret, words });
    }
  });

  test('every key but path may stand at top level and reaches the replicas', () => {
    for (const name of Object.keys(STORE_KEYS)) expect(TOP_KEYS).toHaveProperty([name]);
    expect(resolved('type: s3, bucket: b', 'part-size: 6MiB\nconcurrency: 4\nupload-limit: 1MiB\nmax-requests: 2').store).toMatchObject({
      partSize: 6_291_456,
      concurrency: 4,
      transport: { uploadBytesPerSecond: 1_048_576, operations: 2 },
    });
  });

  test('skip-verify of the top level can be switched off by a replica (not in the original)', () => {
    expect(resolved('type: s3, bucket: b, skip-verify: false', 'skip-verify: true').store).toMatchObject({ skipVerify: false });
  });

  test('a key of another kind of store is a finding that names its readers', () => {
    expect(resolved('path: /backups, region: x').findings).toEqual([
      'warning dbs[0].replicas[0].region: no effect: a replica of type file does not read it (s3, oss do)',
    ]);
    expect(resolved('path: /backups', 'jwt: x').findings).toEqual(['warning jwt: no effect: no replica is of a type that reads it (nats)']);
  });

  test('one secret of the top level for two kinds of store is a finding', () => {
    const text = `access-key-id: i\nsecret-access-key: s\ndbs:\n  - path: /a.db\n    replicas: [{type: s3, bucket: a}, {type: oss, bucket: b}]\n`;
    expect(settingsFromText(text, 'c.yml', { expandEnv: true }, {}).findings.map(({ key, message }) => `${key}: ${message}`)).toEqual([
      'access-key-id: reaches replicas of 2 kinds of store (s3, oss); write it in those that it is meant for',
      'secret-access-key: reaches replicas of 2 kinds of store (s3, oss); write it in those that it is meant for',
    ]);
  });

  test('a url of another kind than the type wins, with a finding; an alias is no other kind', () => {
    expect(resolved("type: gs, url: 's3://b/p'")).toMatchObject({
      store: { type: 's3' },
      findings: ['warning dbs[0].replicas[0].type: type "gs" is ignored; the url says s3'],
    });
    expect(resolved("type: webdav, url: 'webdavs://h/p'").findings.filter((text) => text.includes('ignored'))).toEqual([]);
  });
});

const pick = (keys: SectionSpec, name: string) => {
  const { kind, secret, words } = keys[name] ?? {};
  return { kind, secret, words };
};

describe('conditions', () => {
  const ENDPOINTS: Readonly<Record<string, readonly string[]>> = {
    s3: [
      '',
      'http://localhost:9000',
      'https://s3.us-west-002.backblazeb2.com',
      'https://storage.googleapis.com',
      'https://x.r2.cloudflarestorage.com',
    ],
  };
  const SPECS: Readonly<Record<StoreSpec['type'], string>> = {
    file: 'file:///tmp/x',
    s3: 's3://b/p',
    gs: 'gs://b/p?endpoint=http%3A%2F%2F127.0.0.1%3A1',
    abs: 'abs://acc@c/p',
    sftp: 'sftp://me@h/p',
    webdav: 'webdavs://h/p',
    nats: 'nats://h/b',
    oss: 'oss://bucket/p',
  };

  test.each(STORE_TYPES)('what is said about %s beforehand is what the store says', async (type) => {
    for (const endpoint of ENDPOINTS[type] ?? ['']) {
      const base = storeOfURL(SPECS[type], {
        AWS_ACCESS_KEY_ID: 'i',
        AWS_SECRET_ACCESS_KEY: 's',
        OSS_ACCESS_KEY_ID: 'i',
        OSS_ACCESS_KEY_SECRET: 's',
      });
      const spec = (endpoint === '' ? base : { ...base, endpoint }) as StoreSpec;
      const store = await openStore(spec);
      const { conditionalPut, conditionalReplace } = store.capabilities;
      expect({ endpoint, ...conditionsOf(spec) }).toEqual({ endpoint, createOnly: conditionalPut, replace: conditionalReplace });
      await store.close();
    }
  });

  test('a lease where none can be kept is an error, overwriting worth knowing also in strict mode', () => {
    expect(resolved("url: 'oss://b/p', lease: {}").findings).toEqual([
      expect.stringMatching(/^error .*lease: no lease can be kept at oss:\/\/b\/p/),
    ]);
    const keys = "type: s3, bucket: b, path: p, endpoint: 'https://s3.us-west-002.backblazeb2.com'";
    expect(resolved(keys, '', {}, true)).toMatchObject({
      store: { bucket: 'b' },
      findings: [
        expect.stringMatching(
          /^info dbs\[0\]\.replicas\[0\]: s3:\/\/b\/p at https:\/\/s3\.us-west-002\.backblazeb2\.com cannot refuse to overwrite/,
        ),
      ],
    });
    expect(resolved('path: /backups, lease: {}').findings).toEqual([]);
  });
});

describe('secrets', () => {
  const EXTRAS: Readonly<Record<StoreSpec['type'], string>> = {
    file: 'path: /x',
    s3: 'bucket: b',
    gs: 'bucket: b',
    abs: 'bucket: b, account-name: a',
    sftp: 'host: h, user: u, path: /x, jump-host: j, verify-host-key: false',
    webdav: "webdav-url: 'https://h', webdav-username: u",
    nats: 'bucket: b, username: u',
    oss: 'bucket: b',
  };
  const SECRETS = STORE_KINDS.flatMap(({ type, keys }) =>
    Object.entries(keys).flatMap(([name, { secret }]) => (secret === true ? [{ type, name }] : [])),
  );

  test('there are some', () => expect(SECRETS.length).toBeGreaterThan(15));

  test.each(SECRETS)('$name of $type is in no output and no finding, right or wrong', ({ type, name }) => {
    const canary = `canary-${name}-0123456789`;
    for (const value of [`'${canary}'`, `['${canary}']`, `{${canary}: 1}`, `'${canary} $(date +%Y)'`]) {
      forgetSecrets();
      const { settings, findings } = resolved(`type: ${type}, ${EXTRAS[type]}, ${name}: ${value}`);
      expect(findings.join('\n')).not.toContain(canary);
      if (settings !== undefined) expect(describeSettings(settings)).not.toContain(canary);
    }
    forgetSecrets();
  });
});
