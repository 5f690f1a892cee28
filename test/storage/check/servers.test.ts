/** `litestream check` against every real server: what is right passes, and each thing that is wrong is told apart. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openReplica } from '../../../src/replica/open.ts';
import { probeBriefly } from '../../../src/storage/check/conditions.ts';
import { type Explanation, explainFailure } from '../../../src/storage/check/explain.ts';
import { type CheckReport, checkStore } from '../../../src/storage/check/steps.ts';
import { STORE_TYPES } from '../../../src/storage/registry.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { available, SERVICE_START_MS } from '../../support/services.ts';
import { unique } from '../containers.ts';
import { listKeys } from '../contract/bodies.ts';
import type { Place } from '../faults/backend.ts';
import { BACKENDS } from '../faults/backends.ts';

const RETRY = { settings: { attempts: 2, initialMs: 10, capMs: 10 } };

/** The report, the first failure in words, and what is left in the replica's place. */
async function check(spec: StoreSpec): Promise<CheckReport & { readonly why?: Explanation; readonly left: readonly string[] }> {
  const replica = await openReplica(spec, { retry: RETRY });
  try {
    const report = await checkStore(replica.store, replica.aux.key('litestream-check'));
    const failed = report.steps.find(({ outcome }) => outcome === 'failed');
    const why = failed === undefined ? {} : { why: explainFailure(failed.error, failed.name, spec) };
    const left = report.steps[0]?.outcome === 'passed' ? await listKeys(replica.store, replica.aux.key('')) : [];
    return { ...report, ...why, left };
  } finally {
    await replica.close();
  }
}

/** Answers everything as a login page does. */
async function loginPage(): Promise<Server> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Please log in</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const offered = BACKENDS.filter(({ name }) => (STORE_TYPES as readonly string[]).includes(name.replace(/-.*/, '')));
for (const backend of offered) {
  describe.skipIf(available(backend.service) !== undefined)(`check of ${backend.name}`, () => {
    let place: Place;
    beforeAll(async () => {
      place = await backend.prepare();
    }, SERVICE_START_MS);
    const own = (): StoreSpec => place.through(place.target.port, unique('check'));

    test('a destination that is as it should be passes, and nothing is left there', async () => {
      const { steps, why, left, leftovers, clockSkewMs } = await check(own());
      expect(why).toBeUndefined();
      expect(steps.every(({ outcome }) => outcome === 'passed' || outcome === 'missing')).toBe(true);
      expect({ left, leftovers, clockSkewMs }).toEqual({ left: [], leftovers: [], clockSkewMs: undefined });
    });

    test('the look at the start finds create-only writes honoured where they are offered', async () => {
      const replica = await openReplica(own());
      const { conditionalPut } = replica.store.capabilities;
      expect(await probeBriefly(replica.store, replica.aux.key('start-probe'))).toBe(conditionalPut ? 'honoured' : 'absent');
      await replica.close();
    });

    test('a container that is missing is named, with the command that makes it', async ({ skip }) => {
      const spec = place.missingContainer?.(place.target.port);
      if (spec === undefined) return skip('it has no containers');
      const { why } = await check(spec);
      expect(why).toMatchObject({ code: 'CONTAINER_NOT_FOUND', fix: expect.stringMatching(/^Create it: \S+/) });
      expect(why?.fix).toContain('bucket' in spec ? spec.bucket : '');
    });

    test('a login that is wrong is told as such', async ({ skip }) => {
      const spec = place.wrongCredentials?.(place.target.port);
      if (spec === undefined) return skip('its server here asks for no login');
      const { why } = await check(spec);
      expect(['CREDENTIALS_INVALID', 'ACCESS_DENIED']).toContain(why?.code);
      expect(why?.fix).toMatch(/[.)]$/);
    });

    test('a port where nothing listens is told as such', async () => {
      const { why } = await check(place.through(9, 'x'));
      expect(why).toMatchObject({ code: 'STORAGE_UNAVAILABLE', cause: expect.stringMatching(/ECONNREFUSED|refused/i) });
    });

    if (backend.kind !== 'http') return;
    describe('through a login page', () => {
      let page: Server;
      beforeAll(async () => {
        page = await loginPage();
      });
      afterAll(() => new Promise((resolve) => page.close(resolve)));

      test('the answer is not believed', async () => {
        const { why } = await check(place.through((page.address() as AddressInfo).port, 'x'));
        expect(why?.code).toBe('RESPONSE_INVALID');
      });
    });
  });
}
