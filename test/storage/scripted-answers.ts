/** What holds of every store about answers that are none of its service, and about refusals, against a scripted service. */

import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorToData } from '../../src/base/errors.ts';
import { bytesBody } from '../../src/storage/body.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { listAll, patternBytes } from './contract/bodies.ts';
import type { ScriptedService } from './scripted-service.ts';

export type Operations = Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>>;

/** One of each kind, on objects below `db/`. */
export const OPERATIONS: Operations = {
  list: (store) => listAll(store, 'db/'),
  open: (store) => store.open('db/a'),
  stat: (store) => store.stat('db/a'),
  put: (store) => store.put('db/a', bytesBody(patternBytes(3))),
  delete: (store) => store.delete(['db/a']),
};

/** Title to media type and text of what is answered with status 200. */
export type Pages = Readonly<Record<string, readonly [type: string, text: string]>>;

export function foreignAnswers(service: ScriptedService, operations: Operations, pages: Pages): void {
  for (const [title, [type, text]] of Object.entries(pages)) {
    test(`${title} with status 200 is RESPONSE_INVALID for every operation, and never an empty listing`, async () => {
      const store = await service.storeAnswered((_, response) => response.writeHead(200, { 'content-type': type }).end(text));
      for (const [name, run] of Object.entries(operations))
        await expect(run(store), name).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    });
  }

  test('a 404 of somebody else is no missing object', async () => {
    const store = await service.storeAnswered((_, response) =>
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>nothing here'),
    );
    for (const [name, run] of Object.entries(operations))
      await expect(run(store), name).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
}

/** @param cuts where the text of a whole listing is cut. */
export function cutListings(
  service: ScriptedService,
  { whole, head, cuts }: { readonly whole: string; readonly head: Record<string, string>; readonly cuts: readonly number[] },
): void {
  test('a listing that is cut is an error that is tried again, wherever it is cut', async () => {
    for (const at of cuts) {
      const store = await service.storeAnswered((_, response) => {
        response.writeHead(200, { ...head, 'content-length': String(whole.length) });
        response.write(whole.slice(0, at));
        setTimeout(() => response.destroy(), 5);
      });
      expect(await listAll(store).catch((error: unknown) => error), `cut at ${at}`).toMatchObject({ disposition: 'retry' });
    }
  });
}

export interface Refusing {
  readonly fail: (response: ServerResponse, status: number, provider: string, more?: { headers?: Record<string, string> }) => void;
  /** What the service calls the request in every answer. */
  readonly requestID: string;
  /** What every message names, beside the key and the service's word for the failure. */
  readonly named: readonly string[];
  readonly table: readonly (readonly [status: number, provider: string, ours: ErrorCode])[];
  /** How it says that it is asked too often. */
  readonly throttled: string;
  /** This operation is repeated after such a failure, which another test covers. */
  readonly isRepeated?: (operation: string, ours: ErrorCode) => boolean;
}

export function refusals(service: ScriptedService, operations: Operations, refusing: Refusing): void {
  const { fail, requestID, named, table, throttled, isRepeated = () => false } = refusing;
  describe.each(table)('%i %s', (status, provider, ours) => {
    test(`is ${ours} for every operation, asked once, with what a person needs`, async () => {
      const store = await service.storeAnswered((_, response) => fail(response, status, provider));
      for (const [name, run] of Object.entries(operations)) {
        if (isRepeated(name, ours)) continue;
        const before = service.asked.length;
        const failure = await run(store).catch((error: unknown) => error);
        expect(failure, name).toMatchObject({ code: ours });
        const { message, hint, details } = errorToData(failure);
        for (const word of ['db/', provider, ...named]) expect(message, name).toContain(word);
        expect(hint?.length ?? 0).toBeGreaterThan(20);
        expect(details).toMatchObject({ status, provider, requestID });
        expect(service.asked.length - before, name).toBe(1);
      }
    });
  });

  test('keeps the delay the service asks for', async () => {
    const store = await service.storeAnswered((_, response) => fail(response, 429, throttled, { headers: { 'retry-after': '7' } }));
    await expect(store.stat('db/a')).rejects.toMatchObject({ code: 'STORAGE_THROTTLED', details: { retryAfterMs: 7000 } });
  });
}

/** @param storeAt makes a store of the service at this URL. */
export function unreachableServices(storeAt: (url: string) => ObjectStore): void {
  test.each([
    ['http://127.0.0.1:1', /ECONNREFUSED/],
    ['http://no-such-host.invalid', /ENOTFOUND|EAI_AGAIN/],
  ])('a service that cannot be reached at %s says why', async (url, word) => {
    const store = storeAt(url);
    const failure = await listAll(store).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringMatching(word) });
    await store.close();
  });
}
