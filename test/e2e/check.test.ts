/** `litestream check`, the look at the start and the ledger of requests, by real processes against a real server. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ended } from '../../tools/processes.ts';
import { available, SERVICE_START_MS } from '../support/services.ts';
import { DESTINATIONS, type Destination } from './destinations.ts';
import { interrupt, POLL, Scene } from './scene.ts';

interface Row {
  readonly replicas: readonly {
    readonly check?: { readonly outcome: string; readonly create_only?: string };
    readonly requests: Record<'total' | 'last_hour', Record<'put' | 'list' | 'get' | 'delete', number>> & { readonly bytes_sent: number };
  }[];
}

const s3 = DESTINATIONS.find(({ name }) => name === 's3') as Destination;

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

describe.skipIf(available('s3') !== undefined)('at an S3 server', () => {
  const configure = async (text: string, change = (line: string) => line) => {
    const lines = (await s3.prepare(scene.directory))('app').map(change);
    scene.write(
      'litestream.yml',
      [text, 'dbs:', '  - path: app.db', '    replica:', ...lines.map((line) => `      ${line}`), ''].join('\n'),
    );
    scene.insert('one');
  };
  const replica = async () => ((await scene.json('status')) as Row[])[0]?.replicas[0];

  test(
    'the daemon looks at the destination once, counts what it asks, asks nothing while idle, and does not mind a check beside it',
    async () => {
      await configure('');
      const daemon = await scene.daemon();
      await scene.ok('sync', '-wait', 'app.db');
      await expect.poll(async () => (await replica())?.check, POLL).toMatchObject({ outcome: 'passed', create_only: 'honoured' });
      // What belongs to the start is over some time.
      const asksNothing = async () => {
        const total = async () => JSON.stringify((await replica())?.requests.total);
        const earlier = await total();
        await sleep(3000);
        return (await total()) === earlier;
      };
      await expect.poll(asksNothing, POLL).toBe(true);
      const before = await replica();
      expect(before?.requests.total.put).toBeGreaterThan(0);
      expect(before?.requests.bytes_sent).toBeGreaterThan(0);
      await scene.ok('verify', 'app.db');
      expect((await replica())?.requests.total.get).toBeGreaterThan(before?.requests.total.get ?? 0);
      const checked = await scene.with('check');
      expect(checked).toMatchObject({ status: 0, stdout: expect.stringContaining('create only what is not there  passed') });
      expect(await interrupt(daemon)).toBe(0);
    },
    SERVICE_START_MS + 400_000,
  );

  test(
    'a bucket that is missing is named with the command that makes it, and a strict start fails',
    async () => {
      await configure('strict: true', (line) => line.replace(/^bucket: .*/, 'bucket: there-is-none'));
      const checked = await scene.with('check');
      expect(checked).toMatchObject({ status: 1, stdout: expect.stringContaining('Create it: aws s3 mb s3://there-is-none') });
      const daemon = scene.start('-config', 'litestream.yml');
      await ended(daemon.child);
      expect(daemon.child.exitCode).toBe(1);
      expect(daemon.output()).toMatch(/1 of 1 destinations cannot be used/);
    },
    SERVICE_START_MS + 400_000,
  );
});
