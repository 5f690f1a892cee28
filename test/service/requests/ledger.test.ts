import { expect, test } from 'vitest';
import { RequestBook, type RequestListener } from '../../../src/service/requests/book.ts';
import { RequestLedger } from '../../../src/service/requests/ledger.ts';
import { destinationKey } from '../../../src/storage/place.ts';
import type { StoreOperation } from '../../../src/storage/wrap/meter.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const call = (operation: StoreOperation['operation'], more: Partial<StoreOperation> = {}): StoreOperation => ({
  replicaType: 's3',
  operation,
  bytes: 0,
  requests: 1,
  durationMs: 1,
  ...more,
});
const HOUR = 3_600_000;

test('requests are told by price class, with bytes in both directions, errors, refusals and retries', () => {
  const ledger = new RequestLedger(new FakeClock(1000));
  ledger.note(call('PUT', { bytes: 100, requests: 4 }));
  ledger.note(call('GET', { bytes: 30 }));
  ledger.note(call('STAT'));
  ledger.note(call('LIST', { requests: 2 }));
  ledger.note(call('DELETE', { code: 'ACCESS_DENIED' }));
  ledger.note(call('PUT', { code: 'STORAGE_THROTTLED', bytes: 1 }));
  ledger.note(call('STAT', { code: 'OBJECT_NOT_FOUND' }));
  ledger.retried();
  expect(ledger.facts()).toEqual({
    since: 1000,
    total: { put: 5, list: 2, get: 3, delete: 1 },
    lastHour: { put: 5, list: 2, get: 3, delete: 1 },
    bytesSent: 101,
    bytesReceived: 30,
    errors: 2,
    throttled: 1,
    retries: 1,
  });
});

test('the last hour forgets what is older, to within five minutes, and the total does not', async () => {
  const clock = new FakeClock();
  const ledger = new RequestLedger(clock);
  for (let minute = 0; minute < 180; minute++) {
    ledger.note(call('PUT'));
    await clock.advance(60_000);
  }
  const { total, lastHour } = ledger.facts();
  expect(total.put).toBe(180);
  expect(lastHour.put).toBeGreaterThanOrEqual(55);
  expect(lastHour.put).toBeLessThanOrEqual(60);
  await clock.advance(HOUR);
  expect(ledger.facts().lastHour.put).toBe(0);
  ledger.note(call('PUT'));
  await clock.advance(10 * HOUR);
  expect(ledger.facts()).toMatchObject({ lastHour: { put: 0 }, total: { put: 181 } });
});

test('a book keeps the replicas apart, follows one that moves, counts jobs by their destination, and forgets', () => {
  const seen: [string, string | undefined][] = [];
  const listener: RequestListener = {
    called: ({ operation }, of) => seen.push([operation, of?.db]),
    retried: (type, operation) => seen.push([`retried ${type}`, operation]),
    streams: (type, change) => seen.push([`streams ${type}`, String(change)]),
  };
  const book = new RequestBook(new FakeClock(), listener);
  const spec = (path: string) => ({ type: 's3', bucket: 'b', path }) as const;
  book.counting('/a', 's3', spec('a')).meter(call('PUT'));
  const moved = book.counting('/a', 's3', spec('a-2'));
  moved.meter(call('PUT'));
  moved.onStreams(1);
  book.counting('/b', 's3', spec('b')).meter(call('LIST'));
  book.note({ destination: destinationKey(spec('a-2')), type: 's3', operations: [call('GET'), call('GET')], retries: ['open'] });
  book.note({ destination: destinationKey(spec('other')), type: 's3', operations: [call('GET')], retries: [] });
  book.countingAt(spec('b')).meter(call('STAT'));
  expect(book.of('/a', 's3')).toMatchObject({ total: { put: 2, get: 2 }, retries: 1 });
  expect(book.of('/b', 's3')?.total).toEqual({ put: 0, list: 1, get: 1, delete: 0 });
  expect(book.of('/b', 'file')).toBeUndefined();
  expect(seen).toContainEqual(['GET', undefined]);
  expect(seen).toContainEqual(['retried s3', 'open']);
  book.forget('/a');
  book.note({ destination: destinationKey(spec('a-2')), type: 's3', operations: [call('GET')], retries: [] });
  expect(book.of('/a', 's3')).toBeUndefined();
});
