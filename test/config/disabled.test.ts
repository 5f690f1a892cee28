/** Entries that cannot be used as they are written: set aside while the others run, all of them listed with `strict`. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables are what is tested

import { describe, expect, test } from 'vitest';
import { hasCode, type LitestreamError } from '../../src/base/errors.ts';
import { describeSettings } from '../../src/config/describe.ts';
import { formatFinding } from '../../src/config/findings.ts';
import { settingsFromText } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';

const GOOD = '  - path: /srv/good.db\n    replica: {path: /backups/good}\n';
const bad = (replica: string, more = ''): string => `dbs:\n${GOOD}  - path: /srv/bad.db\n${more}    replica: {${replica}}\n`;

function settingsOf(text: string, env: Record<string, string> = {}, strict = false): Settings {
  return settingsFromText(text, 'c.yml', { expandEnv: true, strict }, { HOME: '/home/me', ...env });
}

function errorOf(text: string, env: Record<string, string> = {}, strict = false): LitestreamError {
  try {
    settingsOf(text, env, strict);
  } catch (error) {
    if (hasCode(error, 'CONFIG_INVALID')) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

const namesOf = ({ databases }: Settings) => databases.map(({ settings }) => settings.name);
const disabledOf = ({ disabled = [] }: Settings) => disabled.map(({ settings, reason }) => [settings.name, reason.message]);

describe('without strict', () => {
  test.each([
    ['half credentials', bad('type: s3, bucket: b, access-key-id: AKIAHALF'), /access-key-id: without secret-access-key/],
    ['half a token', bad('type: s3, bucket: b, session-token: x'), /session-token: without access-key-id and secret-access-key/],
    ['half a login', bad("type: webdav, webdav-url: 'https://h/d', webdav-password: x"), /without webdav-username/],
    ['half a NATS login', bad('type: nats, bucket: b, jwt: x'), /jwt: without seed/],
    [
      'half an Azure login',
      bad("type: abs, bucket: b, account-key: x, endpoint: '', account-name: ''"),
      /account-key: without account-name/,
    ],
    ['half of the top level', `access-key-id: AKIAHALF\n${bad('type: s3, bucket: b')}`, /access-key-id: without secret-access-key/],
    ['an unset variable as URL', bad('url: $X'), /replica\.url: \$X is not set/],
    ['one in a URL, which would be the whole bucket', bad("url: 's3://b/$X'"), /replica\.url: \$X is not set/],
    ['one in a path, which would be the directory above', bad('path: /backups/$X'), /replica\.path: \$X is not set/],
    ['one in a name of a bucket', bad("type: s3, bucket: '${X}-b'"), /replica\.bucket: \$X is not set/],
    ['one as recipients, which would be plain text', bad('path: /b, age: {recipients: $X}'), /age\.recipients: \$X is not set/],
    ['one as key of SSE-C', bad('type: s3, bucket: b, sse-customer-key: $X'), /sse-customer-key: \$X is not set/],
    ['one as retention', bad('path: /b, retention: $X'), /retention: \$X is not set/],
    ['one that is required', bad('path: "${X:?say where}"'), /replica\.path: \$X is not set: say where/],
    ['a form that expands to nothing', bad('path: "/backups/${a b}"'), /is not a variable and becomes nothing/],
    ['an unknown type', bad('type: s4, bucket: b'), /"s4" is not a store type, did you mean "s3"\?/],
    ['a missing bucket', bad('type: s3'), /an s3 replica needs a bucket/],
    ['a value of a wrong form', bad('path: /b', '    busy-timeout: soon\n'), /busy-timeout: "soon" is not a duration/],
    ['a command', bad('path: /b/$(whoami)'), /is a shell command/],
    ['no replica', `dbs:\n${GOOD}  - path: /srv/bad.db\n`, /a database needs a replica/],
    [
      'one replica of several',
      `dbs:\n${GOOD}  - path: /srv/bad.db\n    replicas: [{path: /b}, {type: s3}]\n`,
      /replicas\[1\]: an s3 replica needs/,
    ],
  ])('%s disables its database alone, with the reason as a warning', (_, text, reason) => {
    const settings = settingsOf(text);
    expect(namesOf(settings)).toEqual(['good']);
    expect(settings.disabled).toMatchObject([
      {
        settings: { name: 'bad', path: '/srv/bad.db', metaPath: '/srv/.bad.db-litestream' },
        replicas: [],
        restoreIfMissing: false,
        reason: { code: 'CONFIG_INVALID', message: expect.stringMatching(reason), hint: expect.stringContaining('config check') },
        key: 'dbs[1]',
      },
    ]);
    expect(settings.findings.map(({ severity }) => severity)).not.toContain('error');
    expect(settings.findings.map(formatFinding).join('\n')).toMatch(reason);
    expect(JSON.stringify(settings.disabled)).not.toContain('AKIAHALF');
  });

  test('the reason begins with what is missing, says where, and how much more there is', () => {
    const [[, message = ''] = []] = disabledOf(settingsOf(bad('type: s3, bucket: $X')));
    expect(message).toBe('c.yml:5:33: dbs[1].replica.bucket: $X is not set and becomes nothing (and 1 more)');
  });

  test('a variable that is not set is told at every database that it disables', () => {
    const settings = settingsOf(`dbs:\n${GOOD}  - {path: /a.db, replica: {path: /b/$X}}\n  - {path: /c.db, replica: {path: /d/$X}}\n`);
    expect(disabledOf(settings)).toEqual([
      ['a', 'c.yml:4:35: dbs[1].replica.path: $X is not set and becomes nothing'],
      ['c', 'c.yml:5:35: dbs[2].replica.path: $X is not set and becomes nothing'],
    ]);
  });

  test.each([
    [
      'credentials that are both empty, which the provider finds elsewhere',
      bad('type: s3, bucket: b, access-key-id: $X, secret-access-key: $Y'),
    ],
    ['a region, which the bucket knows', bad('type: s3, bucket: b, region: $X')],
    ['a default that is empty on purpose', bad('path: "/backups/bad${X:-}"')],
    ['an unknown key', bad('path: /b, pth: x')],
    ['a server whose key is not known, which is not spoken to', bad("url: 'sftp://u@h/x'")],
    ['a variable in a value that says nothing about the replica', bad('path: /b', '    name: $X\n')],
    [
      'a variable of the top level that every replica has a value for',
      `age: {recipients: $X}\n${bad('path: /b, age: []').replace('good}', 'good, age: []}')}`,
    ],
    ['a variable of the top level that no such replica reads', `webdav-password: $X\n${bad('path: /b')}`],
  ])('replicated with a warning at most: %s', (_, text) => {
    const settings = settingsOf(text);
    expect(settings.databases).toHaveLength(2);
    expect(settings).not.toHaveProperty('disabled');
  });

  test('a variable of the top level disables those that would be encrypted by it, or keep nothing less', () => {
    const text = `age: {recipients: $X}\n${bad('path: /b').replace('good}', 'good, age: []}')}`;
    expect(settingsOf(text)).toMatchObject({ databases: [{ settings: { name: 'good' } }], disabled: [{ settings: { name: 'bad' } }] });
    expect(disabledOf(settingsOf(`retention: {enabled: $X}\n${bad('path: /b, retention: 30d')}`))).toHaveLength(2);
  });

  test('where a variable hides the path, what is written stands for it', () => {
    const entry = (path: string) => `  - {path: ${path}, replica: {path: /b/x}}\n`;
    expect(settingsOf(`dbs:\n${GOOD}${entry('$DATA/app.db')}${entry('$DATA/app.db')}${entry('$WHOLE')}`)).toMatchObject({
      databases: [{ settings: { path: '/srv/good.db' } }],
      disabled: [
        { settings: { path: '$DATA/app.db', name: 'app' } },
        { settings: { path: '$DATA/app.db', name: 'app-2' } },
        { settings: { path: '$WHOLE', name: 'WHOLE' } },
      ],
    });
  });

  test('a file of a directory may be the database whose path is hidden: nothing runs', () => {
    const text = `dbs:\n  - {dir: /srv, pattern: "*.db", replica: {path: /r}}\n  - {path: $DATA/app.db, replica: {path: /b}}\n`;
    expect(errorOf(text).message).toContain('dbs[1]: which database this is cannot be told');
    expect(settingsOf(text, { DATA: '/data' })).toMatchObject({ databases: [{ settings: { path: '/data/app.db' } }] });
  });

  test('a directory is disabled as a whole', () => {
    const text = `dbs:\n${GOOD}  - {dir: /srv/tenants, pattern: "*.db", replica: {path: /r/$X}}\n`;
    expect(settingsOf(text)).toMatchObject({
      directories: [],
      disabled: [
        { settings: { name: 'tenants', path: '/srv/tenants/*.db' }, reason: { message: expect.stringContaining('$X is not set') } },
      ],
    });
  });

  test('names of others do not depend on it', () => {
    const text = `dbs:\n  - {path: /a/app.db, replica: {path: /r/a}}\n  - {path: /b/app.db, replica: {type: s3}}\n`;
    expect(namesOf(settingsOf(text))).toEqual(['a-app']);
    expect(disabledOf(settingsOf(text))[0]?.[0]).toBe('b-app');
  });

  test.each([
    ['broken YAML', `${bad('type: s4, bucket: b')}  - [`],
    ['two databases of one path', `${bad('type: s4, bucket: b')}${GOOD}`],
    ['the same, one of them disabled', `${bad('type: s4, bucket: b')}  - {path: /srv/bad.db, replica: {path: /r/x}}\n`],
    ['one destination for two', `${bad('type: s4, bucket: b')}  - {path: /srv/x.db, replica: {path: /backups/good}}\n`],
    ['the same, one of them disabled', `dbs:\n${GOOD}  - {path: /srv/bad.db, replicas: [{path: /backups/good}, {type: s3}]}\n`],
    [
      'two databases of one name',
      `${bad('type: s4, bucket: b', '    name: good\n')}  - {path: /g.db, name: good, replica: {path: /r/g}}\n`,
    ],
    ['an address', `addr: nowhere\n${bad('type: s4, bucket: b')}`],
    ['a value of the top level', `sync-interval: soon\n${bad('type: s4, bucket: b')}`],
    ['an entry without a path', `${bad('type: s4, bucket: b')}  - {replica: {path: /r/x}}\n`],
    ['an entry whose path is empty', `${bad('type: s4, bucket: b')}  - path:\n    replica: {path: /r/x}\n`],
  ])('%s remains an error of the whole', (_, text) => {
    const { findings = [] } = errorOf(text).details ?? {};
    const errors = (findings as Settings['findings']).filter(({ severity }) => severity === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).not.toContain('s4');
  });

  test('where nothing would be left, what is written wrong is an error; what is only missing may be there in another environment', () => {
    expect(errorOf('dbs:\n  - {path: /a.db, replica: {type: s4}}\n  - {path: /b.db, replica: {type: s3}}\n').message).toContain(
      'has 2 problems',
    );
    expect(settingsOf('dbs:\n  - {path: /a.db, replica: {path: /r/$X}}\n')).toMatchObject({
      databases: [],
      disabled: [{ settings: { name: 'a' } }],
    });
  });

  test('the resolved configuration says it in its place, with the right origins around it', () => {
    const text = `dbs:\n  - {path: /srv/bad.db, replica: {type: s4}}\n${GOOD}`;
    const lines = describeSettings(settingsOf(text)).split('\n');
    const at = lines.findIndex((line) =>
      line.includes('# disabled: /srv/bad.db: c.yml:2:41: dbs[0].replica.type: "s4" is not a store type'),
    );
    expect(lines[at + 1]).toMatch(/path: \/srv\/good\.db +# c\.yml:3/);
  });
});

describe('with strict', () => {
  test('everything is listed at once and nothing is set aside', () => {
    const text = `frob: 1\ndbs:\n${GOOD}  - {path: /a.db, replica: {type: s3, bucket: b, access-key-id: i}}\n  - {path: /b.db, replica: {path: /r/$X}}\n  - {path: /c.db, replica: {type: s4}}\n  - {path: /d.db, replica: {url: 'sftp://u@h/x'}}\n`;
    const { message } = errorOf(text, {}, true);
    expect(message.split('\n')).toEqual([
      'c.yml has 5 problems (strict mode):',
      '  c.yml:1:1: frob: unknown key',
      expect.stringContaining('dbs[1].replica.access-key-id: without secret-access-key'),
      expect.stringContaining('dbs[2].replica.path: $X is not set'),
      expect.stringContaining('dbs[3].replica.type: "s4" is not a store type'),
      expect.stringContaining('dbs[4].replica: /home/me/.ssh/known_hosts is not there'),
    ]);
    expect(settingsOf(text)).toMatchObject({ databases: { length: 2 }, disabled: { length: 3 } });
  });
});
