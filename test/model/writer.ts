/**
 * The application of the model test, a process of its own: seeded transactions on one database until it is told to stop.
 *
 * Arguments: database, log file, seed, page size, and `bursts` to close every connection once in a while, or `calm`
 * to leave time between transactions. Every line of the log is `prepared|committed SEQ MS HASH`, synchronously written,
 * so that it survives SIGKILL: `prepared` before COMMIT is asked for, `committed` after it returned.
 */

import { appendFileSync, readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Random } from '../support/random.ts';
import { change, createSchema, maintain } from './operations.ts';
import { stateHash } from './state-hash.ts';

const [path = '', log = '', seed = '1', pageSize = '4096', manner = ''] = process.argv.slice(2);
const random = new Random(Number(seed));
let sequence = lastSequence() + 1;
let stopping = false;
process.on('message', () => {
  stopping = true;
});

let { db, other } = open();
let reader: Database.Database | undefined;

function open(): { db: Database.Database; other: Database.Database } {
  const main = new Database(path, { timeout: 30_000 });
  createSchema(main, Number(pageSize));
  main.pragma(`synchronous = ${random.pick(['NORMAL', 'FULL'])}`);
  main.pragma(`wal_autocheckpoint = ${random.pick([1000, 100, 0])}`);
  return { db: main, other: new Database(path, { timeout: 50 }) };
}

function lastSequence(): number {
  try {
    return Math.max(
      0,
      ...readFileSync(log, 'utf8')
        .split('\n')
        .map((line) => Number(line.split(' ')[1] ?? 0)),
    );
  } catch {
    return 0;
  }
}

function record(word: string, hash: string): void {
  appendFileSync(log, `${word} ${sequence} ${Date.now()} ${hash}\n`);
}

function transaction(): void {
  db.exec('BEGIN IMMEDIATE');
  for (let i = random.between(1, 4); i > 0; i--) change(db, random);
  if (random.chance(0.05)) {
    db.exec('ROLLBACK');
    return;
  }
  const hash = stateHash(db);
  record('prepared', hash);
  db.exec('COMMIT');
  record('committed', hash);
  sequence++;
}

/** Busy is an ordinary answer to maintenance while the replication holds its read transaction. */
function tryMaintain(): void {
  try {
    maintain(db, other, random);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))) throw error;
  }
}

function toggleReader(): void {
  if (reader === undefined) {
    reader = new Database(path, { readonly: true, timeout: 1000 });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM sqlite_schema').get();
  } else {
    reader.close();
    reader = undefined;
  }
}

function closeAll(): void {
  reader?.close();
  reader = undefined;
  other.close();
  db.close();
}

function reopen(): void {
  closeAll();
  ({ db, other } = open());
}

/** Nobody has the database open for a while. */
function rest(): void {
  closeAll();
  setTimeout(
    () => {
      ({ db, other } = open());
      step();
    },
    random.between(300, 4000),
  );
}

function step(): void {
  if (stopping) {
    finish();
    return;
  }
  if (manner === 'bursts' && random.chance(0.02)) {
    rest();
    return;
  }
  const action = random.between(0, 99);
  if (action < 82) transaction();
  else if (action < 92) tryMaintain();
  else if (action < 98) toggleReader();
  else reopen();
  setTimeout(step, manner === 'calm' ? random.between(20, 200) : random.chance(0.3) ? random.between(1, 40) : 0);
}

function finish(): void {
  reader?.close();
  process.send?.({ hash: stateHash(db) });
  other.close();
  db.close();
  process.disconnect();
}

record('committed', stateHash(db));
sequence++;
step();
