import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { ErrorData } from '../../src/base/errors.ts';
import type { DatabaseSettings } from '../../src/engine/options.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { buildMetricsServer, type Listening, startMetricsServer } from '../../src/http/metrics-server.ts';
import { checkHealth, isReady } from '../../src/service/health.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import type { DatabaseHandle, DatabaseState, DatabaseStatus, ReplicaStatus } from '../../src/service/service.ts';
import { becomes, Setting, settled } from '../service/setting.ts';

let setting: Setting | undefined;
let listening: Listening | undefined;

afterEach(async () => {
  await listening?.close();
  await setting?.end();
  listening = undefined;
  setting = undefined;
});

const ORIGINAL = [
  'litestream_db_size',
  'litestream_wal_size',
  'litestream_total_wal_bytes',
  'litestream_txid',
  'litestream_sync_count',
  'litestream_sync_error_count',
  'litestream_sync_seconds',
  'litestream_disk_full',
  'litestream_checkpoint_count',
  'litestream_checkpoint_error_count',
  'litestream_checkpoint_seconds',
  'litestream_compaction_verify_error_count',
  'litestream_l0_retention_files_total',
  'litestream_replica_operation_total',
  'litestream_replica_operation_bytes',
  'litestream_replica_operation_duration_seconds',
  'litestream_replica_operation_errors_total',
];
const OURS = [
  'litestream_replica_lag_seconds',
  'litestream_db_last_replica_time',
  'litestream_checkpoint_write_lock_seconds',
  'litestream_replica_txid',
  'litestream_replica_upload_errors_total',
  'litestream_db_state',
  'litestream_db_unprotected_seconds',
  'litestream_build_info',
];

const serve = (metrics: Metrics, databases: readonly DatabaseHandle[]) =>
  buildMetricsServer({
    contentType: metrics.contentType,
    render: () => metrics.render(databases),
    health: () => checkHealth(databases),
    ready: () => isReady(databases),
  });

/** Value of the one series of `name` whose labels contain `labels`. */
function seriesValue(text: string, name: string, labels = ''): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}{`) && candidate.includes(labels));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

function database(state: DatabaseState, more: { error?: ErrorData; replica?: Partial<ReplicaStatus> } = {}): DatabaseHandle {
  const replica: ReplicaStatus = {
    name: 'one',
    type: 'file',
    destination: '/srv/backup',
    role: 'required',
    state: 'replicating',
    txid: toTXID(5),
    lagSeconds: 0,
    pendingBytes: 0,
    ...more.replica,
  };
  const status: DatabaseStatus = {
    state,
    since: 1,
    ...(more.error === undefined ? {} : { error: more.error }),
    engine: { state: 'replicating', since: 1, txid: toTXID(5), dbSize: 1, walSize: 1, pendingWALBytes: 0, worstWriteLockMs: 0 },
    replicas: [replica],
    unprotectedSeconds: 12,
  };
  const settings = { name: `db-${state}`, path: `/srv/${state}.db` } as DatabaseSettings;
  return { settings, replicas: [], status: async () => status } as unknown as DatabaseHandle;
}

test('every name of the original is announced, and so are ours', async () => {
  const text = (await serve(new Metrics('1.2.3'), []).inject('/metrics')).body;
  for (const name of [...ORIGINAL, ...OURS]) expect(text, name).toMatch(new RegExp(`^# TYPE ${name} `, 'm'));
  expect(seriesValue(text, 'litestream_build_info', 'version="1.2.3"')).toBe(1);
});

test('over a real database, lag grows while uploads fail and is 0 again afterwards (row 84)', async () => {
  const own = new Setting();
  setting = own;
  const app = await own.application();
  const metrics = new Metrics('test');
  const { database: db, service } = await own.start();
  const server = serve(metrics, service.databases);
  const scrape = async () => {
    for (const { path, event } of own.events.splice(0)) metrics.engineEvent(path, event);
    for (const code of own.uploadFailures.splice(0)) metrics.uploadFailed(db.settings.path, 'one', code);
    return (await server.inject('/metrics')).body;
  };
  await becomes(db, 'replicating');
  await settled(db);
  const quiet = await scrape();
  const label = `db="${db.settings.path}"`;
  expect(seriesValue(quiet, 'litestream_replica_lag_seconds', label)).toBe(0);
  expect(seriesValue(quiet, 'litestream_txid', label)).toBeGreaterThanOrEqual(1);
  expect(seriesValue(quiet, 'litestream_replica_txid', label)).toBe(seriesValue(quiet, 'litestream_txid', label));
  expect(seriesValue(quiet, 'litestream_db_size', label)).toBeGreaterThan(0);
  expect(seriesValue(quiet, 'litestream_sync_count', label)).toBeGreaterThan(0);
  expect(seriesValue(quiet, 'litestream_sync_error_count', label)).toBe(0);
  expect(seriesValue(quiet, 'litestream_db_last_replica_time', label)).toBeCloseTo(Date.now() / 1000, -2);
  expect(seriesValue(quiet, 'litestream_db_state', 'state="replicating"')).toBe(1);
  expect((await server.inject('/healthz')).statusCode).toBe(200);

  own.remote('one').cut();
  await app.exec("INSERT INTO t (body) VALUES ('x')");
  await becomes(db, 'failing');
  const early = seriesValue(await scrape(), 'litestream_replica_lag_seconds', label) ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 200));
  const late = await scrape();
  expect(seriesValue(late, 'litestream_replica_lag_seconds', label)).toBeGreaterThan(early + 0.1);
  expect(seriesValue(late, 'litestream_db_unprotected_seconds', label)).toBeGreaterThan(0.1);
  expect(seriesValue(late, 'litestream_replica_pending_bytes', label)).toBeGreaterThan(0);
  expect(seriesValue(late, 'litestream_replica_upload_errors_total', 'code="STORAGE_UNAVAILABLE"')).toBeGreaterThan(0);
  expect(seriesValue(late, 'litestream_db_state', 'state="failing"')).toBe(1);
  expect(seriesValue(late, 'litestream_db_state', 'state="replicating"')).toBe(0);
  const sick = await server.inject('/healthz');
  expect(sick.statusCode).toBe(503);
  expect(sick.json()).toMatchObject({
    status: 'failing',
    databases: [{ name: 'app', state: 'failing', code: 'STORAGE_UNAVAILABLE', replicas: [{ state: 'failing' }] }],
  });

  own.remote('one').heal();
  await becomes(db, 'replicating');
  expect(seriesValue(await scrape(), 'litestream_replica_lag_seconds', label)).toBe(0);
  expect((await server.inject('/healthz')).statusCode).toBe(200);
});

test('events become counters: passes, failures, full disks, checkpoints, write locks, store operations', async () => {
  const metrics = new Metrics('test');
  const pass = { type: 'pass', durationMs: 500, dbSize: 4096, walOffset: 32, diskFull: false } as const;
  metrics.engineEvent('/a.db', pass);
  metrics.engineEvent('/a.db', { ...pass, dbSize: 0, walOffset: 0, diskFull: true, error: { code: 'DISK_FULL', message: 'full' } });
  metrics.engineEvent('/a.db', { type: 'checkpoint', mode: 'PASSIVE', durationMs: 20, writeLockMs: 0.3, complete: true });
  metrics.engineEvent('/a.db', { type: 'synced', txid: toTXID(3), at: 1, size: 10, pages: 1, walBytes: 100 });
  metrics.storeOperation({ replicaType: 'file', operation: 'PUT', bytes: 10, requests: 1, durationMs: 5, code: 'ACCESS_DENIED' });
  const { body } = await serve(metrics, []).inject('/metrics');
  expect(seriesValue(body, 'litestream_sync_count')).toBe(2);
  expect(seriesValue(body, 'litestream_sync_error_count')).toBe(1);
  expect(seriesValue(body, 'litestream_sync_seconds')).toBe(1);
  expect(seriesValue(body, 'litestream_disk_full')).toBe(1);
  expect(seriesValue(body, 'litestream_db_size')).toBe(4096);
  expect(seriesValue(body, 'litestream_wal_size')).toBe(32);
  expect(seriesValue(body, 'litestream_total_wal_bytes')).toBe(100);
  expect(seriesValue(body, 'litestream_txid', 'db="/a.db"')).toBe(3);
  expect(seriesValue(body, 'litestream_checkpoint_count', 'mode="PASSIVE"')).toBe(1);
  expect(seriesValue(body, 'litestream_checkpoint_write_lock_seconds_bucket', 'le="0.0005"')).toBe(1);
  expect(seriesValue(body, 'litestream_replica_operation_errors_total', 'code="ACCESS_DENIED"')).toBe(1);
  metrics.engineEvent('/a.db', pass);
  expect(seriesValue((await serve(metrics, []).inject('/metrics')).body, 'litestream_disk_full')).toBe(0);
});

test('what is alive, ready and healthy', async () => {
  const of = (...states: DatabaseState[]) =>
    serve(
      new Metrics('test'),
      states.map((state) => database(state)),
    );
  const codes = async (...states: DatabaseState[]) => {
    const server = of(...states);
    return Promise.all(['/livez', '/readyz', '/healthz'].map(async (path) => (await server.inject(path)).statusCode));
  };
  expect(await codes('replicating')).toEqual([200, 200, 200]);
  expect(await codes('waiting')).toEqual([200, 200, 200]);
  expect(await codes('starting', 'replicating')).toEqual([200, 503, 200]);
  expect(await codes('degraded', 'replicating')).toEqual([200, 200, 503]);
  expect(await codes('failing')).toEqual([200, 200, 503]);
  expect(await codes('stopped')).toEqual([200, 200, 503]);
});

test('an unknown path is a 404 in JSON that says what there is, a request that is none is a 400 in JSON', async () => {
  const server = serve(new Metrics('test'), []);
  const lost = await server.inject('/metrix?token=hunter2');
  expect(lost.statusCode).toBe(404);
  expect(lost.json()).toEqual({ error: 'no such path: /metrix', paths: ['/metrics', '/livez', '/readyz', '/healthz'] });
  const post = await server.inject({ method: 'POST', url: '/metrics', payload: '{', headers: { 'content-type': 'application/json' } });
  expect(post.statusCode).toBe(400);
  expect(post.headers['content-type']).toContain('application/json');
});

test('neither errors nor destinations nor their messages are shown', async () => {
  const secret = 's3cr3t';
  const error: ErrorData = { code: 'ACCESS_DENIED', message: `denied for ${secret}`, cause: secret, details: { secret } };
  const failing = database('failing', {
    error,
    replica: { state: 'failing', destination: `file:///${secret}`, lastError: { error, at: 1, attempts: 1 } },
  });
  const server = serve(new Metrics('test'), [failing]);
  for (const path of ['/metrics', '/healthz', '/readyz']) expect((await server.inject(path)).body).not.toContain(secret);
  const broken = buildMetricsServer({
    contentType: 'text/plain',
    render: () => Promise.reject(new Error(secret)),
    health: () => Promise.reject(new Error(secret)),
    ready: () => Promise.reject(new Error(secret)),
  });
  for (const path of ['/metrics', '/healthz', '/readyz']) {
    const answer = await broken.inject(path);
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain(secret);
  }
});

test('a taken port and a foreign address are told with the key of the configuration', async () => {
  const source = { contentType: 'text/plain', render: async () => [], health: () => checkHealth([]), ready: async () => true };
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const bound = other.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const at = (host: string, on: number) => ({ host, port: on, text: `${host}:${on}`, anyHost: false });
  await expect(startMetricsServer(at('127.0.0.1', port), source)).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
    message: expect.stringContaining(`127.0.0.1:${port} (addr)`),
  });
  other.close();
  await expect(startMetricsServer(at('192.0.2.1', 0), source)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  listening = await startMetricsServer(at('127.0.0.1', 0), source);
  expect(listening.address).toMatch(/^127\.0\.0\.1:\d+$/);
  expect((await fetch(`http://${listening.address}/livez`)).status).toBe(200);
});
