/** One plausible result per verb, as in the examples of the tool catalogue. */

import type { VerbName, VerbOutput } from '../../../src/control/control.ts';

const as_of = '2026-03-01T12:00:00.000Z';
const txid = '000000000000a3f1';
const time = '2026-03-01T11:59:58.412Z';
const page = { returned: 1, total: 1 };

const restore: VerbOutput<'restore'> = {
  as_of,
  mode: 'plan',
  plan: {
    plan_id: 'rp_q0V3mC1dRk2u9ZyT7bLw4A',
    expires_at: '2026-03-01T12:14:00.000Z',
    database: '/srv/app/app.db',
    replica: 'file',
    format: 'ltx',
    generation: 'ltx',
    asked: { timestamp: '2026-03-01T12:00:00.000Z' },
    reached: { txid, time },
    short_by_seconds: 1.588,
    output: '/srv/app/restored/app.db',
    files: 3,
    bytes_to_read: 50_541_568,
    integrity_check: 'quick',
  },
  execute: { allowed: true, needs: ['plan_id'], confirm: 'auto' },
};

const job: NonNullable<VerbOutput<'job'>['job']> = {
  job_id: 'job_7Qe2Zs9c',
  tool: 'litestream_restore',
  database: '/srv/app/app.db',
  state: 'running',
  progress: { phase: 'fetch', done: 61, total: 100, unit: 'bytes', message: 'reading level 9 file 1 of 3' },
  created_at: as_of,
  started_at: as_of,
};

export const SAMPLES: { readonly [N in VerbName]: VerbOutput<N> } = {
  info: {
    as_of,
    server: { version: '1.0.0', uptime_seconds: 86_400, read_only: true, attached: 'daemon' },
    caller: { name: 'loopback', scopes: ['read'], confirm: 'auto' },
    databases: { total: 2, replicating: 1, waiting: 0, starting: 0, degraded: 0, failing: 1, stopped: 0, disabled: 0 },
    worst: [{ database: 'audit', state: 'failing', code: 'ACCESS_DENIED', since: time, unprotected_seconds: 838 }],
    proof: { proven: 1, unproven: 1, failed: 0 },
    jobs: { running: 0, queued: 0 },
  },
  databases: {
    as_of,
    databases: [
      {
        name: 'app',
        path: '/srv/app/app.db',
        state: 'replicating',
        size_bytes: 104_857_600,
        txid,
        replicas: [{ name: 'file', type: 'file', destination: 'file:///backups/app', state: 'replicating', lag_seconds: 0.4 }],
      },
    ],
    page,
  },
  status: {
    as_of,
    databases: [
      {
        name: 'audit',
        path: '/srv/app/audit.db',
        state: 'failing',
        code: 'ACCESS_DENIED',
        since: time,
        position: { txid, at: time },
        unprotected_seconds: 838,
        wal: { size_bytes: 4_120_032, pending_bytes: 0 },
        replicas: [{ name: 'file', type: 'file', state: 'failing', txid, lag_txids: 4, lag_seconds: 838.2 }],
      },
    ],
  },
  version: {
    as_of,
    version: '1.0.0',
    node: '24.21.0',
    sqlite: '3.54.1',
    writes: { page_form: 'v3-block' },
    reads: ['v3-block', 'v3-frame'],
    compatible_with: '0.5',
  },
  points: {
    as_of,
    database: '/srv/app/app.db',
    replica: 'file',
    points: [{ txid, time, width_seconds: 1.608, transactions: 1, changed_bytes: 8_192, level: 0, generation: 'ltx' }],
    coverage: { oldest: '2026-02-15T09:00:00.000Z', newest: time, gaps: [], fine_since: '2026-03-01T11:55:00.000Z' },
    page,
  },
  generations: {
    as_of,
    generations: [
      {
        database: '/srv/app/app.db',
        replica: 'file',
        generation: 'ltx',
        format: 'ltx',
        restorable: true,
        start: '2026-02-15T09:00:00.000Z',
        end: time,
        min_txid: '0000000000000001',
        max_txid: txid,
        snapshot_count: 14,
        file_count: 2_210,
        bytes: 918_220_311,
      },
    ],
    gaps: [],
  },
  snapshots: {
    as_of,
    snapshots: [
      {
        database: '/srv/app/app.db',
        replica: 'file',
        generation: 'ltx',
        format: 'ltx',
        index: '41200',
        min_txid: '0000000000000001',
        max_txid: txid,
        size: 50_102_001,
        created: time,
      },
    ],
    page,
  },
  ltx: {
    as_of,
    files: [{ replica: 'file', level: 0, min_txid: txid, max_txid: txid, size: 4_411, created: time }],
    totals: [{ replica: 'file', level: 0, files: 61, bytes: 402_331, oldest: time, newest: time }],
    page,
  },
  restore_plan: restore,
  restore,
  repair: {
    as_of,
    mode: 'done',
    database: 'app',
    dry_run: false,
    replicas: [
      {
        replica: 'file',
        outcome: 'whole',
        checked: 'files',
        files: 3,
        bytes_read: 50_547_100,
        damaged: [],
        copied: [],
        left: [],
        lost: [],
      },
    ],
  },
  rekey: {
    as_of,
    mode: 'done',
    database: 'app',
    dry_run: false,
    replicas: [{ replica: 'file', outcome: 'rekeyed', recipients: 1, files: 3, bytes: 50_547_700, done_before: 0, gone: 0, left: [] }],
  },
  check: {
    as_of,
    replicas: [
      {
        database: 'app',
        replica: 's3',
        type: 's3',
        destination: 's3://backups/app',
        outcome: 'passed',
        steps: [{ name: 'write', outcome: 'passed', duration_ms: 12 }],
      },
    ],
  },
  verify: {
    as_of,
    mode: 'done',
    database: '/srv/app/app.db',
    replica: 'file',
    outcome: 'passed',
    txid,
    checks: [{ name: 'chain', outcome: 'passed', detail: '3 files, no gap' }],
    pages_compared: 25_600,
    bytes_read: 50_547_100,
    duration_ms: 2_210,
    recorded: false,
  },
  undo: {
    as_of,
    mode: 'done',
    database: '/srv/app/app.db',
    output: '/srv/app/app.db',
    from: '/srv/app/app.db.replaced-20260301T120000Z',
    replaced_at: '2026-03-01T12:00:00.000Z',
    size_bytes: 16_384,
    replaced: '/srv/app/app.db.replaced-20260301T121000Z',
  },
  wal: {
    as_of,
    segments: [
      {
        database: '/srv/app/app.db',
        replica: 'file',
        generation: 'fee51cbedde042a7',
        index: 3,
        offset: 4152,
        name: '00000003_00001038',
        size: 130_726,
        created: time,
      },
    ],
    page,
  },
  sync: { as_of, mode: 'done', database: '/srv/app/app.db', status: 'synced', txid },
  reset: {
    as_of,
    database: 'app',
    path: '/srv/app/app.db',
    directory: '/srv/app/.app.db-litestream/ltx',
    outcome: 'nothing',
    files: 0,
    bytes: 0,
  },
  job: { as_of, job },
  cancel: { as_of, job: { ...job, state: 'cancelled', ended_at: as_of }, already_ended: false },
};
