import { afterEach, beforeEach, expect, test } from 'vitest';
import { Semaphore } from '../../src/base/semaphore.ts';
import { ColdSetting, engineBecomes } from '../service/cold/cold-setting.ts';
import { settled } from '../service/setting.ts';
import type { App } from '../support/app-process.ts';
import { randomFrom, seedFromEnvironment } from '../support/random.ts';

let setting: ColdSetting;

beforeEach(() => {
  setting = new ColdSetting();
});

afterEach(() => setting.end());

const SECONDS = Number(process.env.COLD_SECONDS ?? 120);

type Act = (app: App, body: string) => Promise<unknown>;

const ACTS: Readonly<Record<string, Act>> = {
  insert: (app, body) => app.exec(`INSERT INTO t (body) VALUES ('${body}')`),
  update: (app, body) => app.exec(`UPDATE t SET body = '${body}' WHERE id % 3 = 1`),
  grow: (app, body) =>
    app.exec(`INSERT INTO t (body) SELECT '${body}' || hex(randomblob(500)) FROM generate_series(1, 50)`).catch(() => {}),
  'delete all': (app) => app.exec('DELETE FROM t'),
  vacuum: (app) => app.exec('VACUUM'),
  passive: (app) => app.checkpoint('PASSIVE'),
  full: (app) => app.checkpoint('FULL'),
  restart: (app) => app.checkpoint('RESTART'),
  truncate: (app) => app.checkpoint('TRUNCATE'),
  close: (app) => app.close(),
  'rollback mode and back': (app) => app.exec('PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL'),
};

test(
  'whatever an application does around the closing and waking of its database, everything it has committed can be restored',
  async () => {
    const seed = seedFromEnvironment();
    console.log(`seed ${seed}, ${SECONDS} s`);
    const random = randomFrom(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    let app = await setting.application();
    const { database } = await setting.start(setting.entry(['one'], { settings: setting.settings('app', { coldAfterMs: 1e-9 }) }));
    const turn = new Semaphore(1);
    let isQuiet = false;
    const act = (count: number): Promise<void> => turn.run(() => actNow(count));
    const actNow = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        if (random() < 0.05) {
          await app.kill();
          app = await setting.application();
        }
        await ACTS[pick(Object.keys(ACTS))]?.(app, `${seed}-${performance.now()}`).catch((error: unknown) => {
          if (!/busy|locked/i.test(String(error))) throw error;
        });
      }
    };
    // So little that the rule which keeps it open for longer does not count. Some writes fall between the closing and the watch.
    setting.watch.beforeArm = async () => {
      if (!isQuiet && random() < 0.5) await act(1);
    };
    const deadline = performance.now() + SECONDS * 1000;
    let rounds = 0;
    while (performance.now() < deadline) {
      // The engine would be kept warm by its own rule: ask for the next closing soon.
      setting.watch.isDeaf = random() < 0.3;
      await act(1 + Math.floor(random() * 4));
      if (random() < 0.7) await new Promise((resolve) => setTimeout(resolve, random() * 2500));
      isQuiet = true;
      if (random() < 0.5 && !setting.watch.isDeaf) {
        const wanted = await turn.run(() => app.digest());
        await expect.poll(() => setting.restoredDigest(app), { timeout: 20_000, interval: 100 }).toBe(wanted);
      } else {
        const wanted = await turn.run(() => app.digest());
        setting.watch.isDeaf = false; // or it would be cold and deaf in the next round
        await settled(database);
        expect(await setting.restoredDigest(app)).toBe(wanted);
      }
      isQuiet = false;
      rounds += 1;
    }
    const { cold } = await database.status();
    console.log(`${rounds} rounds, ${cold?.wakes} wakes, ${cold?.fullFileWakes} of them with full files`);
    setting.watch.beforeArm = async () => {};
    await engineBecomes(database, 'cold').catch(() => {});
  },
  (SECONDS + 120) * 1000,
);
