/** The application of the benches, in a process of its own: opens databases and commits at a pace, as told by application-process.ts. */

import Database from 'better-sqlite3';

export type Order =
  | { readonly kind: 'open'; readonly path: string; readonly rows: number }
  | { readonly kind: 'commit'; readonly path: string; readonly times: CommitTimes }
  /** Begins a read transaction that stands until `release`. */
  | { readonly kind: 'hold'; readonly path: string }
  | { readonly kind: 'release' };

export interface CommitTimes {
  /** Commits a second; 0 for as many as go. */
  readonly rate: number;
  readonly seconds: number;
}

export interface Commits {
  /** ms of each transaction, from BEGIN until COMMIT has returned. */
  readonly latencies: Float64Array;
  /** When each COMMIT had returned: ms of the monotonic clock that all processes share. */
  readonly ends: Float64Array;
  /** The number that each commit wrote as `MARK` and eight digits. */
  readonly marks: Uint32Array;
  readonly elapsedMs: number;
}

export type Answer = { readonly done: Commits | undefined } | { readonly error: string };

interface Application {
  readonly commit: (mark: number) => void;
  marks: number;
}

const applications = new Map<string, Application>();
const readers: Database.Database[] = [];
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const BODY = 'A row as applications write them: some words, a number, a state, and then more words than one would think. '.repeat(3);

/** Monotonic ms, the same in all processes of the machine. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

function open(path: string, rows: number): void {
  const db = new Database(path, { timeout: 5000 });
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, key TEXT, body TEXT); CREATE INDEX item_key ON item (key)');
  db.exec("CREATE TABLE mark (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO mark VALUES (1, 'MARK00000000')");
  const insert = db.prepare('INSERT INTO item (key, body) VALUES (?, ?)');
  const update = db.prepare('UPDATE mark SET text = ? WHERE id = 1');
  const add = (mark: number): void => void insert.run(`key-${(mark * 7919) % 100003}`, BODY);
  db.transaction(() => {
    for (let row = 0; row < rows; row++) add(row);
  })();
  const commit = db.transaction((mark: number) => {
    add(mark);
    update.run(`MARK${String(mark).padStart(8, '0')}`);
  });
  // As busy applications do: the write lock is asked for at the beginning.
  applications.set(path, { commit: commit.immediate, marks: 0 });
}

function commitAll(path: string, { rate, seconds }: CommitTimes): Commits {
  const application = applications.get(path);
  if (application === undefined) throw new Error(`${path} is not open`);
  const latencies: number[] = [];
  const ends: number[] = [];
  const marks: number[] = [];
  const begun = now();
  const planned = rate === 0 ? Number.POSITIVE_INFINITY : Math.round(rate * seconds);
  while (marks.length < planned && (rate > 0 || now() - begun < seconds * 1000)) {
    if (rate > 0) sleepUntil(begun + (marks.length * 1000) / rate);
    const mark = ++application.marks;
    const from = now();
    application.commit(mark);
    const end = now();
    latencies.push(end - from);
    ends.push(end);
    marks.push(mark);
  }
  // A paced run ends when its last period is over, or later if it fell behind.
  if (rate > 0) sleepUntil(begun + seconds * 1000);
  return {
    latencies: Float64Array.from(latencies),
    ends: Float64Array.from(ends),
    marks: Uint32Array.from(marks),
    elapsedMs: now() - begun,
  };
}

function sleepUntil(time: number): void {
  const left = time - now();
  if (left > 0) Atomics.wait(sleeper, 0, 0, left);
}

function hold(path: string): void {
  const db = new Database(path, { readonly: true });
  db.exec('BEGIN');
  db.prepare('SELECT count(*) FROM mark').get();
  readers.push(db);
}

function obey(order: Order): Commits | undefined {
  switch (order.kind) {
    case 'open':
      open(order.path, order.rows);
      return undefined;
    case 'commit':
      return commitAll(order.path, order.times);
    case 'hold':
      hold(order.path);
      return undefined;
    case 'release':
      for (const db of readers.splice(0)) db.close();
      return undefined;
  }
}

process.on('message', (order: Order) => {
  let answer: Answer;
  try {
    answer = { done: obey(order) };
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(answer);
});
process.on('disconnect', () => process.exit(0));
