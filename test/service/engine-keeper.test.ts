import { afterEach, beforeEach, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { DatabaseEngine } from '../../src/engine/database-engine.ts';
import type { DatabaseSettings } from '../../src/engine/options.ts';
import { NO_TXID, type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { EngineKeeper, type OpenEngine } from '../../src/service/engine-keeper.ts';
import { type Askable, Floors } from '../../src/service/floors.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

interface Life {
  readonly floor: TXID | undefined;
  readonly listener: Parameters<OpenEngine>[2];
  readonly raised: TXID[];
  readonly calls: string[];
}

let temp: TempDirectory;
let clock: FakeClock;
let lives: Life[];
/** What the verbs of every engine do. */
let verbs: Partial<DatabaseEngine>;

beforeEach(async () => {
  temp = await tempDirectory();
  clock = new FakeClock();
  lives = [];
  verbs = {};
});

afterEach(() => temp.remove());

const gone = new LitestreamError('ENGINE_STOPPED', 'gone');
const never = new AbortController().signal;
const hanging = <T>(): Promise<T> => new Promise<T>(() => {});

function keeper(floors: Floors, open?: OpenEngine): EngineKeeper {
  const openEngine: OpenEngine = (_settings, { floor }, listener) => {
    const life: Life = { floor, listener, raised: [], calls: [] };
    lives.push(life);
    const engine: Partial<DatabaseEngine> = {
      raise: async (txid) => void life.raised.push(txid),
      close: async () => void life.calls.push('close'),
      sync: async () => {
        life.calls.push('sync');
        return { before: NO_TXID, after: NO_TXID };
      },
      ...verbs,
    };
    return engine as DatabaseEngine;
  };
  const settings = { name: 'app', metaPath: temp.path } as DatabaseSettings;
  return new EngineKeeper({ settings, floors, clock, log: silentLogger, openEngine: open ?? openEngine, onEvent: () => {} });
}

function replica(answer: () => TXID | undefined): Askable {
  return { findPosition: async () => answer() };
}

async function known(...txids: number[]): Promise<Floors> {
  const floors = new Floors(
    txids.map((txid) => replica(() => toTXID(txid))),
    clock,
  );
  await floors.ask(never);
  return floors;
}

test('an engine is opened with the largest TXID anywhere, and its successor also knows what was captured since', async () => {
  const one = keeper(await known(3, 7));
  one.open();
  expect(lives[0]?.floor).toBe(7n);
  lives[0]?.listener.onEvent({ type: 'synced', txid: toTXID(12), at: 1, size: 1, pages: 1, walBytes: 1 });
  lives[0]?.listener.onStopped(gone);
  expect(one.current).toBeUndefined();
  expect(() => one.running).toThrow(expect.objectContaining({ code: 'DB_NOT_OPEN' }));
  await clock.advance(1000);
  expect(lives).toHaveLength(2);
  expect(lives[1]?.floor).toBe(12n);
});

test('engines that die early are opened less and less often, one that died after a sound life at once', async () => {
  const one = keeper(await known(0));
  one.open();
  const waits: number[] = [];
  for (let death = 0; death < 4; death++) {
    lives.at(-1)?.listener.onStopped(gone);
    waits.push(clock.nextDelay ?? 0);
    await clock.advance(clock.nextDelay ?? 0);
  }
  expect(waits.every((wait, index) => index === 0 || wait > (waits[index - 1] ?? 0))).toBe(true);
  await clock.advance(61_000);
  lives.at(-1)?.listener.onStopped(gone);
  expect(clock.nextDelay).toBeLessThanOrEqual(500);
  await clock.advance(500);
  expect(lives).toHaveLength(6);
  expect(await one.close(never)).toBeUndefined();
});

test('an engine that cannot be made is tried again, and the death of one that was replaced changes nothing', async () => {
  let tries = 0;
  const floors = await known(0);
  const inner = keeper(floors);
  const refusing = keeper(floors, (...given) => {
    tries += 1;
    if (tries === 1) throw gone;
    const life: Life = { floor: undefined, listener: given[2], raised: [], calls: [] };
    lives.push(life);
    return { raise: async () => {}, close: async () => {} } as unknown as DatabaseEngine;
  });
  refusing.open();
  expect(refusing.view.last).toMatchObject({ state: 'failing', error: { code: 'ENGINE_STOPPED' } });
  await clock.advance(500);
  expect(refusing.current).toBeDefined();
  const [first] = lives;
  first?.listener.onStopped(gone);
  await clock.advance(2000);
  const second = refusing.current;
  expect(second).toBeDefined();
  first?.listener.onStopped(gone);
  expect(refusing.current).toBe(second);
  expect(inner.current).toBeUndefined();
});

test('while a replica is silent an engine without local files is told nothing, not even what another replica holds', async () => {
  let answer: TXID | undefined;
  const floors = new Floors([replica(() => toTXID(9)), replica(() => answer)], clock);
  await floors.ask(never);
  const one = keeper(floors);
  one.open();
  await one.tellFloor();
  expect(lives[0]).toMatchObject({ floor: undefined, raised: [] });
  answer = toTXID(4);
  const asking = floors.askUntilKnown(never);
  await clock.advance(1000);
  await asking;
  await one.tellFloor();
  expect(lives[0]?.raised).toEqual([9n]);
});

test('a silent replica is asked again and again, the others once', async () => {
  const asked = [0, 0];
  const floors = new Floors(
    [
      replica(() => {
        asked[0] = (asked[0] ?? 0) + 1;
        return toTXID(1);
      }),
      replica(() => {
        asked[1] = (asked[1] ?? 0) + 1;
        return (asked[1] ?? 0) < 4 ? undefined : toTXID(2);
      }),
    ],
    clock,
  );
  await floors.ask(never);
  const asking = floors.askUntilKnown(never);
  await clock.advance(60_000);
  await asking;
  expect(asked).toEqual([1, 4]);
  expect(floors).toMatchObject({ areKnown: true, highest: 2n });
});

test('closing gives up on an engine that does not end', async () => {
  verbs = { close: hanging };
  const one = keeper(await known(0));
  one.open();
  const stop = new AbortController();
  const closing = one.close(stop.signal);
  await settle();
  stop.abort(new LitestreamError('TIMEOUT', 'it did not end within 5 s'));
  expect(await closing).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('final sync of app') });
});

test('closing tries a failing engine once more, and says what was wrong if that fails, too', async () => {
  const floors = await known(0);
  const recovered = keeper(floors);
  recovered.open();
  lives[0]?.listener.onEvent({ type: 'state', state: 'failing', error: { code: 'DISK_FULL', message: 'the disk is full' } });
  expect(await recovered.close(never)).toBeUndefined();
  expect(lives[0]?.calls).toEqual(['sync', 'close']);

  verbs = { sync: () => Promise.reject(gone) };
  const broken = keeper(floors);
  broken.open();
  lives[1]?.listener.onEvent({ type: 'state', state: 'failing', error: { code: 'DISK_FULL', message: 'the disk is full' } });
  expect(await broken.close(never)).toMatchObject({ code: 'DISK_FULL', message: 'final sync of app: the disk is full' });
  expect(lives[1]?.calls).toEqual(['close']);
});

test('an engine that gave up by itself has not captured what came after', async () => {
  verbs = { sync: () => Promise.reject(gone) };
  const one = keeper(await known(0));
  one.open();
  lives[0]?.listener.onEvent({ type: 'state', state: 'stopped', error: { code: 'SECOND_WRITER', message: 'the original runs here' } });
  expect(await one.close(never)).toMatchObject({ code: 'SECOND_WRITER' });
});

test('nothing is opened any more once it is closed', async () => {
  const one = keeper(await known(0));
  one.open();
  lives[0]?.listener.onStopped(gone);
  await one.close(never);
  await clock.advance(10_000);
  one.open();
  expect(lives).toHaveLength(1);
  expect(clock.sleeping).toBe(0);
});
