import { describe, expect, test } from 'vitest';
import { releaseMemory } from '../../../src/base/process-memory.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { Metrics } from '../../../src/service/metrics/metrics.ts';
import type { DisabledDatabase } from '../../../src/service/options.ts';
import type { DatabaseHandle, DatabaseStatus, ReplicaStatus } from '../../../src/service/service.ts';
import { textOf } from '../../support/exposition.ts';

const REPLICA: ReplicaStatus = {
  name: 'file',
  type: 'file',
  destination: '/srv/backup',
  role: 'required',
  state: 'replicating',
  txid: toTXID(5),
  lagSeconds: 1.5,
  pendingBytes: 10,
  lastConfirmedAt: 1_700_000_000_250,
};
const STATUS: DatabaseStatus = {
  state: 'degraded',
  since: 1,
  engine: { state: 'cold', since: 1, txid: toTXID(5), dbSize: 1, walSize: 1, pendingWALBytes: 0, worstWriteLockMs: 0 },
  replicas: [REPLICA],
  unprotectedSeconds: 0.25,
  cold: { wakes: 0, fullFileWakes: 0, patienceMs: 1000 },
};

const handle = (path: string, status: () => Promise<DatabaseStatus> = async () => STATUS) =>
  ({ settings: { path }, replicas: [], status }) as unknown as DatabaseHandle;

const handles = (count: number, status?: () => Promise<DatabaseStatus>) =>
  Array.from({ length: count }, (_, index) => handle(`/srv/data/app-${index}.db`, status));

/** What an idle database has been through. */
function live(metrics: Metrics, path: string): void {
  metrics.engineEvent(path, { type: 'synced', txid: toTXID(3), at: 1, size: 10, pages: 1, walBytes: 4120 });
  metrics.engineEvent(path, { type: 'pass', durationMs: 250, dbSize: 8192, walOffset: 4152, diskFull: false });
  const of = { db: path, replica: 'file' };
  metrics.storeOperation({ replicaType: 'file', operation: 'PUT', bytes: 100, requests: 1, durationMs: 5 }, of);
  metrics.storeOperation({ replicaType: 'file', operation: 'LIST', bytes: 0, requests: 2, durationMs: 5 }, of);
  metrics.count(path, 'file', 'compactions', 1);
}

const linesOf = (text: string, part: string): string[] => text.split('\n').filter((line) => line.includes(part) && !line.startsWith('#'));

describe('an exposition', () => {
  test('has every series of a database and its replica, and no others', async () => {
    const metrics = new Metrics('1');
    live(metrics, '/a.db');
    metrics.coldCount('/a.db', 'wakes');
    metrics.uploadFailed('/a.db', 'file', 'TIMEOUT');
    const proof = { outcome: 'failed', at: 2000, reasons: [], lastPassed: { txid: toTXID(4), at: 1000 } } as const;
    const text = await textOf(metrics, [handle('/a.db', async () => ({ ...STATUS, replicas: [{ ...REPLICA, proof }] }))]);
    const states = ['waiting', 'starting', 'replicating', 'degraded', 'failing', 'stopped'];
    const replica = 'db="/a.db",replica="file"';
    expect(linesOf(text, 'db="/a.db"').sort()).toEqual(
      [
        ...[...states, 'disabled'].map((state) => `litestream_db_state{db="/a.db",state="${state}"} ${state === 'degraded' ? 1 : 0}`),
        'litestream_db_unprotected_seconds{db="/a.db"} 0.25',
        'litestream_db_cold{db="/a.db"} 1',
        'litestream_db_cold_wakes_total{db="/a.db"} 1',
        'litestream_db_size{db="/a.db"} 8192',
        'litestream_wal_size{db="/a.db"} 4152',
        'litestream_total_wal_bytes{db="/a.db"} 4120',
        'litestream_txid{db="/a.db"} 3',
        'litestream_sync_count{db="/a.db"} 1',
        'litestream_sync_error_count{db="/a.db"} 0',
        'litestream_sync_seconds{db="/a.db"} 0.25',
        'litestream_disk_full{db="/a.db"} 0',
        `litestream_replica_lag_seconds{${replica}} 1.5`,
        `litestream_db_last_replica_time{${replica}} 1700000000.25`,
        ...states
          .slice(1)
          .map((state) => `litestream_replica_state{${replica},role="required",state="${state}"} ${state === 'replicating' ? 1 : 0}`),
        `litestream_replica_pending_bytes{${replica}} 10`,
        `litestream_replica_txid{${replica}} 5`,
        `litestream_replica_upload_errors_total{${replica},code="TIMEOUT"} 1`,
        `litestream_replica_requests_total{${replica},class="put"} 1`,
        `litestream_replica_requests_total{${replica},class="list"} 2`,
        `litestream_replica_traffic_bytes_total{${replica},direction="sent"} 100`,
        `litestream_compactions_total{${replica}} 1`,
        `litestream_replica_proof_outcome{${replica},outcome="passed"} 0`,
        `litestream_replica_proof_outcome{${replica},outcome="failed"} 1`,
        `litestream_replica_proof_outcome{${replica},outcome="inconclusive"} 0`,
        `litestream_replica_proof_time{${replica}} 2`,
        `litestream_replica_proven_time{${replica}} 1`,
        `litestream_replica_proven_txid{${replica}} 4`,
        `litestream_replica_troubles{${replica}} 0`,
      ].sort(),
    );
  });

  test('keeps the lines of a metric together, below its help and type, each series once', async () => {
    const metrics = new Metrics('1');
    const databases = handles(300);
    for (const { settings } of databases) live(metrics, settings.path);
    metrics.mcpCall('litestream_info', 'ok', 1);
    const seen = new Set<string>();
    let current = '';
    for (const line of (await textOf(metrics, databases)).split('\n')) {
      const [, kind, name = ''] = /^# (HELP|TYPE) (\S+) /.exec(line) ?? [];
      if (kind === 'HELP') {
        expect(seen.has(name), `${name} comes once`).toBe(false);
        seen.add(name);
        current = name;
      } else if (kind === 'TYPE') expect(name).toBe(current);
      else if (line !== '') {
        expect(line).toMatch(/^\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? \S+$/);
        expect(line.replace(/_(bucket|sum|count)\{/, '{').startsWith(`${current}{`) || line.startsWith(`${current}{`), line).toBe(true);
        const series = line.slice(0, line.lastIndexOf(' '));
        expect(seen.has(series), `${series} comes once`).toBe(false);
        seen.add(series);
      }
    }
    expect(seen.size).toBeGreaterThan(300 * 20);
  });

  test('has of a disabled database that it is disabled, and nothing else', async () => {
    const metrics = new Metrics('1');
    const disabled = [{ settings: { path: '/off.db' } }] as unknown as readonly DisabledDatabase[];
    for (let round = 0; round < 2; round++) {
      const lines = linesOf(await textOf(metrics, [handle('/a.db')], disabled), '/off.db');
      expect(lines.map((line) => /^litestream_db_state\{.*state="(\w+)"\} (\d)$/.exec(line)?.slice(1).join(' ')).sort()).toEqual([
        'degraded 0',
        'disabled 1',
        'failing 0',
        'replicating 0',
        'starting 0',
        'stopped 0',
        'waiting 0',
      ]);
      metrics.databaseRemoved();
    }
  });

  test('counts write locks into buckets that include those below', async () => {
    const metrics = new Metrics('1');
    for (const writeLockMs of [0.5, 0.6, 40, 60_000])
      metrics.engineEvent('/a.db', { type: 'checkpoint', mode: 'PASSIVE', durationMs: 1, writeLockMs, complete: true });
    const error = { code: 'TIMEOUT', message: 'busy' } as const;
    metrics.engineEvent('/a.db', { type: 'checkpoint', mode: 'PASSIVE', durationMs: 1, writeLockMs: 9, complete: false, error });
    const text = await textOf(metrics, []);
    const of = (part: string, more = '') =>
      linesOf(text, `litestream_checkpoint_write_lock_seconds_${part}{db="/a.db"${more}`).map((line) => Number(line.split(' ').at(-1)));
    expect(of('bucket')).toEqual([1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4]);
    expect(of('bucket', ',le="+Inf"')).toEqual([4]);
    expect(of('count')).toEqual([4]);
    expect(of('sum')[0]).toBeCloseTo(60.0411);
    expect(linesOf(text, 'litestream_checkpoint_error_count{')).toEqual(['litestream_checkpoint_error_count{db="/a.db",mode="PASSIVE"} 1']);
  });

  test('escapes what labels must not have, and survives long names and those that are not Latin', async () => {
    const metrics = new Metrics('1');
    const odd = '/srv/"quoted"\\back\nnew.db';
    const long = `/${'很长的名字🙂'.repeat(3000)}.db`;
    const many = Array.from({ length: 500 }, (_, index) => `/données/базa-${index}-🙂.db`);
    const text = await textOf(
      metrics,
      [odd, long, ...many].map((path) => handle(path)),
    );
    expect(text).toContain('\nlitestream_db_cold{db="/srv/\\"quoted\\"\\\\back\\nnew.db"} 1\n');
    expect(text).toContain(`\nlitestream_db_cold{db="${long}"} 1\n`);
    for (const path of many) expect(text).toContain(`\nlitestream_db_unprotected_seconds{db="${path}"} 0.25\n`);
    expect(text).not.toContain('\ufffd');
  });

  test('tells what a replica does not know any more by saying nothing', async () => {
    const metrics = new Metrics('1');
    expect(await textOf(metrics, [handle('/a.db')])).toContain('litestream_replica_txid{db="/a.db",replica="file"} 5');
    const { txid: _, ...unknown } = REPLICA;
    expect(await textOf(metrics, [handle('/a.db', async () => ({ ...STATUS, replicas: [unknown] }))])).not.toContain(
      'litestream_replica_txid{',
    );
  });

  test('says nothing about a database that was let go, and goes on about the others', async () => {
    const metrics = new Metrics('1');
    const [first, second] = handles(2);
    if (first === undefined || second === undefined) throw new Error('two were asked for');
    for (const { settings } of [first, second]) live(metrics, settings.path);
    const before = await textOf(metrics, [first, second]);
    metrics.databaseRemoved();
    live(metrics, second.settings.path); // one of its last requests
    const after = await textOf(metrics, [first]);
    expect(linesOf(after, second.settings.path)).toEqual([]);
    expect(linesOf(after, first.settings.path)).toEqual(linesOf(before, first.settings.path));
  });
});

describe('a thousand databases', () => {
  test('are asked and told in slices: the loop goes round in between', async () => {
    let asked = 0;
    let mostAsked = 0;
    let rounds = 0;
    let immediate: NodeJS.Immediate;
    const round = () => {
      rounds += 1;
      mostAsked = Math.max(mostAsked, asked);
      asked = 0;
      immediate = setImmediate(round);
    };
    immediate = setImmediate(round);
    const databases = handles(1000, async () => {
      asked += 1;
      return STATUS;
    });
    let parts = 0;
    let before = 0;
    for await (const part of await new Metrics('1').render(databases)) {
      if (parts++ > 0) expect(rounds).toBeGreaterThan(before);
      before = rounds;
      expect(part.length).toBeLessThanOrEqual(64 * 1024);
    }
    clearImmediate(immediate);
    expect(parts).toBeGreaterThan(10);
    expect(mostAsked).toBeGreaterThan(0);
    expect(mostAsked).toBeLessThanOrEqual(100);
  });

  test('are asked once for all who ask at the same time, and all get the same', async () => {
    let asked = 0;
    const databases = handles(1000, async () => {
      asked += 1;
      return STATUS;
    });
    const metrics = new Metrics('1');
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => textOf(metrics, databases)));
    expect(asked).toBe(1000);
    for (const other of others) expect(other).toBe(first);
    await textOf(metrics, databases);
    expect(asked).toBe(2000);
  });

  test('of which one cannot be asked make the exposition fail, and the next one is tried anew', async () => {
    const metrics = new Metrics('1');
    const broken = handle('/b.db', () => Promise.reject(new Error('gone')));
    await expect(metrics.render([handle('/a.db'), broken])).rejects.toThrow('gone');
    expect(linesOf(await textOf(metrics, [handle('/a.db')]), 'litestream_db_state{db="/a.db"')).toHaveLength(7);
  });

  test('cost less than two kilobytes each while nobody asks', async () => {
    const count = 5000;
    const databases = handles(count);
    const metrics = new Metrics('1');
    await textOf(metrics, databases.slice(0, 10));
    releaseMemory();
    const before = process.memoryUsage().heapUsed;
    for (const { settings } of databases) live(metrics, settings.path);
    for await (const part of await metrics.render(databases)) expect(part.length).toBeGreaterThan(0);
    releaseMemory();
    expect((process.memoryUsage().heapUsed - before) / count).toBeLessThan(2048);
    expect(await textOf(metrics, databases.slice(0, 1))).toContain('/srv/data/app-4999.db');
  });
});
