/** Uploads in parts when something fails. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ByteBudget } from '../../../src/storage/s3/part-buffers.ts';
import { PartPool } from '../../../src/storage/s3/part-pool.ts';
import { partSizeFor } from '../../../src/storage/s3/part-size.ts';
import { providerOf } from '../../../src/storage/s3/providers.ts';
import { settle, until } from '../../support/fake-clock.ts';
import { chunkedBody, failingBody, hangingBody, patternBytes } from '../contract/bodies.ts';
import { errorAnswer, ScriptedS3, type Verb } from './scripted-s3.ts';

const MIB = 1024 * 1024;
const SIZE = 12 * MIB;
/** No waiting between attempts. */
const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: async () => {} };

let server: ScriptedS3;
beforeEach(async () => {
  server = await ScriptedS3.start();
});
afterEach(() => server.stop());

const store = (spec = {}) => server.store({ endpoint: server.endpoint, ...spec }, { clock });
const large = () => chunkedBody(patternBytes(SIZE), 12, true);
const count = (verb: Verb): number => server.of(verb).length;

describe('a failing part', () => {
  test('is sent again by itself, with the same bytes', async () => {
    server.script = ({ verb, query }) =>
      verb === 'part' && query.get('partNumber') === '2' && count('part') < 4 ? errorAnswer(500, 'InternalError') : undefined;
    await store().put('k', large());
    const numbers = server.of('part').map(({ query }) => query.get('partNumber'));
    expect(numbers.filter((number) => number === '1')).toHaveLength(1);
    const second = server.of('part').filter(({ query }) => query.get('partNumber') === '2');
    expect(second.length).toBeGreaterThan(1);
    for (const { body } of second) expect(Buffer.compare(body, patternBytes(SIZE).subarray(5 * MIB, 10 * MIB))).toBe(0);
    expect(count('create')).toBe(1);
  });

  test('for good ends the upload, which is abandoned with all its parts', async () => {
    server.script = ({ verb, query }) =>
      verb === 'part' && query.get('partNumber') === '2' ? errorAnswer(403, 'AccessDenied') : undefined;
    await expect(store().put('k', large())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(server.of('abort').map(({ query }) => query.get('uploadId'))).toEqual(['U1']);
    expect(server.seen.at(-1)?.verb).toBe('abort');
    expect(count('complete')).toBe(0);
  });

  test('that never gets an answer does not keep the others from being abandoned', async () => {
    server.script = ({ verb, query }) => {
      if (verb !== 'part') return undefined;
      return query.get('partNumber') === '1' ? () => {} : errorAnswer(403, 'AccessDenied');
    };
    await expect(store().put('k', large())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(count('abort')).toBe(1);
  });
});

describe('nothing becomes visible and nothing is left', () => {
  test('when the source fails, whose error is told', async () => {
    const error = new Error('the disk is gone');
    await expect(store().put('k', failingBody(patternBytes(SIZE), error))).rejects.toBe(error);
    expect([count('complete'), count('abort')]).toEqual([0, 1]);
  });

  test('when the source delivers less or more than it announced', async () => {
    for (const size of [SIZE - 1, SIZE + 1]) {
      await expect(store().put('k', { ...large(), size })).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    }
    expect([count('complete'), count('abort')]).toEqual([0, 2]);
  });

  test('when the caller gives up while the source hangs', async () => {
    const controller = new AbortController();
    const reason = new Error('shutdown');
    const body = hangingBody(patternBytes(SIZE), () => {
      void until(() => count('create') > 0, 'the upload has begun')
        .then(() => settle())
        .then(() => controller.abort(reason));
    });
    await expect(store().put('k', body, { signal: controller.signal })).rejects.toBe(reason);
    expect([count('complete'), count('abort')]).toEqual([0, 1]);
  });

  test('when the caller gives up while a part hangs, promptly', async () => {
    const controller = new AbortController();
    const reason = new Error('shutdown');
    server.script = ({ verb }) => (verb === 'part' ? () => controller.abort(reason) : undefined);
    const began = performance.now();
    await expect(store().put('k', large(), { signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(count('abort')).toBe(1);
  });

  test('and when even the end of it fails, its id is told', async () => {
    server.script = ({ verb }) => (verb === 'part' || verb === 'abort' ? errorAnswer(403, 'AccessDenied') : undefined);
    await expect(store().put('k', large())).rejects.toMatchObject({
      details: { uploadID: 'U1' },
      hint: expect.stringMatching(/life-cycle/),
    });
  });
});

describe('the end of an upload', () => {
  const etag = () => {
    const sums = server
      .of('part')
      .map(({ query, body }) => [Number(query.get('partNumber')), createHash('md5').update(body).digest('hex')] as const);
    const inOrder = [...new Map(sums)].sort(([a], [b]) => a - b).map(([, sum]) => sum);
    return `${createHash('md5')
      .update(Buffer.from(inOrder.join(''), 'hex'))
      .digest('hex')}-${inOrder.length}`;
  };
  const date = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };

  test('names the parts in order', async () => {
    server.script = ({ verb, query }) => {
      if (verb !== 'part' || query.get('partNumber') !== '1') return undefined;
      return (response) => void setTimeout(() => response.writeHead(200, { etag: '"first"' }).end(), 100);
    };
    await store().put('k', large());
    const numbers = [...(server.of('complete')[0]?.body.toString() ?? '').matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => number);
    expect(numbers).toEqual(['1', '2', '3']);
  });

  test('whose answer was lost is recognised by what is stored', async () => {
    server.script = ({ verb }) => {
      if (verb === 'complete') return count('complete') === 1 ? errorAnswer(500, 'InternalError') : errorAnswer(404, 'NoSuchUpload');
      return verb === 'head' ? { headers: { etag: `"${etag()}"`, 'content-length': String(SIZE), ...date } } : undefined;
    };
    const info = await store().put('k', large());
    expect(info).toMatchObject({ size: SIZE, tag: etag() });
  });

  test('is not taken for a success when something else is stored', async () => {
    server.script = ({ verb }) => {
      if (verb === 'complete') return count('complete') === 1 ? errorAnswer(500, 'InternalError') : errorAnswer(404, 'NoSuchUpload');
      return verb === 'head' ? { headers: { etag: '"other-3"', 'content-length': String(SIZE), ...date } } : undefined;
    };
    await expect(store().put('k', large())).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('answered with 200 and an error is a failure', async () => {
    server.script = ({ verb }) => (verb === 'complete' && count('complete') === 1 ? errorAnswer(200, 'InternalError') : undefined);
    await store().put('k', large());
    expect(count('complete')).toBe(2);
  });

  test('answered by something else than S3 is no success', async () => {
    server.script = ({ verb }) => (verb === 'complete' ? { body: '<html>log in</html>' } : undefined);
    await expect(store().put('k', large())).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    expect(count('abort')).toBe(1);
  });

  test('finds a second writer at services that do not keep the condition', async () => {
    server.script = ({ verb }) => (verb === 'head' ? { status: 404 } : undefined);
    await store().put('new', large(), { ifAbsent: true });
    expect(count('complete')).toBe(1);
    server.script = () => undefined;
    await expect(store().put('there', large(), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect([count('complete'), count('abort')]).toEqual([1, 1]);
  });
});

describe('memory', () => {
  test('two uploads that do not fit together both come to an end', async () => {
    const budget = new ByteBudget(6 * MIB);
    const one = server.store({ endpoint: server.endpoint }, { clock, budgets: { whole: new ByteBudget(MIB), parts: budget } });
    const infos = await Promise.all(['a', 'b', 'c'].map((key) => one.put(key, large())));
    expect(infos.map(({ size }) => size)).toEqual([SIZE, SIZE, SIZE]);
    expect(budget.tryTake(6 * MIB)).toBeDefined();
  });

  test('a budget serves in the order of coming, grants the oversized alone, and forgets who gives up', async () => {
    const budget = new ByteBudget(10);
    const release = await budget.take(8, undefined);
    const order: string[] = [];
    const controller = new AbortController();
    const gone = budget.take(9, controller.signal);
    const waiter = async (name: string, bytes: number) => {
      const done = await budget.take(bytes, undefined);
      order.push(name);
      return done;
    };
    const large = waiter('large', 50);
    const small = waiter('small', 1);
    expect(budget.tryTake(1)).toBeUndefined();
    controller.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    release();
    release();
    (await large)();
    (await small)();
    expect(order).toEqual(['large', 'small']);
    expect(budget.tryTake(10)).toBeDefined();
  });

  test('a small object does not wait for a large upload, whatever that holds', async () => {
    const stuck: (() => void)[] = [];
    server.script = ({ verb, body }) =>
      verb === 'part' ? (response) => void stuck.push(() => response.writeHead(200, { etag: `"${body.byteLength}"` }).end()) : undefined;
    const budgets = { whole: new ByteBudget(4 * MIB), parts: new ByteBudget(6 * MIB) };
    const one = server.store({ endpoint: server.endpoint }, { clock, budgets });
    const first = one.put('first', chunkedBody(patternBytes(6 * MIB), 6, true));
    await expect.poll(() => stuck.length).toBe(1);
    await one.put('small', chunkedBody(patternBytes(3 * MIB), 3, true));
    const release = setInterval(() => {
      for (const answer of stuck.splice(0)) answer();
    }, 5);
    expect((await first).size).toBe(6 * MIB);
    clearInterval(release);
  });

  test('an upload leaves all but one of its buffers to another that waits', async () => {
    const budget = new ByteBudget(3 * MIB);
    const signal = new AbortController().signal;
    const one = new PartPool(budget, MIB, 5);
    const buffers = [await one.take(signal), await one.take(signal), await one.take(signal)];
    const other = new PartPool(budget, MIB, 5);
    const waiting = other.take(signal);
    for (const buffer of buffers) one.giveBack(buffer);
    expect((await waiting).byteLength).toBe(MIB);
    expect((await one.take(signal)).byteLength).toBe(MIB);
  });

  test('buffers of an upload are used again, and no more are made than there is room for', async () => {
    const pool = new PartPool(new ByteBudget(2 * MIB), MIB, 5);
    const signal = new AbortController().signal;
    const first = await pool.take(signal);
    const second = await pool.take(signal);
    const third = pool.take(signal);
    pool.giveBack(second);
    expect(await third).toBe(second);
    pool.giveBack(first);
    expect(await pool.take(signal)).toBe(first);
  });
});

test.each([
  ['aws', undefined, 1, 5],
  ['aws', undefined, 40 * 1024, 5],
  ['aws', undefined, 100 * 1024, 12],
  ['custom', 'http://localhost:9000', 4000, 5],
  ['custom', 'http://localhost:9000', 5000, 6],
  ['custom', 'http://localhost:9000', 100 * 1024, 114],
])('parts at %s are large enough for what is to come (%s, %d MiB)', (_, endpoint, sizeMiB, expected) => {
  const provider = providerOf(endpoint);
  const partSize = partSizeFor(sizeMiB * MIB, { provider, partSize: 5 * MIB });
  expect(partSize / MIB).toBe(expected);
  expect((sizeMiB * MIB) / partSize).toBeLessThanOrEqual(provider.maxParts * 0.9);
});
