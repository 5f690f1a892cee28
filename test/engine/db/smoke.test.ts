import { expect, test } from 'vitest';
import { Bench } from './bench.ts';

test('a commit is in the local log after a sync', async () => {
  const { bench, app } = await Bench.make();
  try {
    await app.exec('INSERT INTO t (body) VALUES (randomblob(5000))');
    const engine = bench.engine();
    await engine.sync();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
    for (let i = 0; i < 5; i++) {
      await app.exec('INSERT INTO t (body) VALUES (randomblob(5000))');
      await engine.sync();
      expect(await bench.replicaDigest(app)).toBe(await app.digest());
    }
    console.log(bench.events, await engine.status());
    console.log(await engine.checkpoint('PASSIVE'), await engine.status());
    await app.exec('INSERT INTO t (body) VALUES (randomblob(5000))');
    await engine.sync();
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
    await engine.close();
    console.log(bench.fullReasons, bench.files);
  } finally {
    await bench.end();
  }
});
