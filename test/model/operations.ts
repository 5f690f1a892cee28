/** What the application of the model test does: seeded transactions and everything else that touches a database file. */

import type Database from 'better-sqlite3';
import type { Random } from '../support/random.ts';

interface TableRow {
  readonly name: string;
}

/** One change inside a transaction. */
export function change(db: Database.Database, random: Random): void {
  const table = pickTable(db, random);
  const action = random.between(0, 99);
  if (action < 45) insert(db, table, random);
  else if (action < 65)
    db.prepare(`UPDATE ${table} SET body = ?, n = n + 1 WHERE id % 7 = ?`).run(random.bytes(random.between(0, 300)), random.between(0, 6));
  else if (action < 80) db.prepare(`DELETE FROM ${table} WHERE id % 5 = ?`).run(random.between(0, 4));
  else if (action < 88) db.prepare(`INSERT INTO ${table} (body, n) VALUES (?, 0)`).run(random.bytes(random.between(20_000, 200_000)));
  else if (action < 91) db.prepare(`DELETE FROM ${table}`).run();
  else schemaChange(db, table, random);
}

/** One thing done outside of transactions; the rows stay as they are. */
export function maintain(db: Database.Database, other: Database.Database, random: Random): void {
  const action = random.between(0, 9);
  if (action < 2) db.exec('VACUUM');
  else if (action < 4) db.pragma(`incremental_vacuum(${random.between(1, 50)})`);
  else other.pragma(`wal_checkpoint(${random.pick(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])})`);
}

export function createSchema(db: Database.Database, pageSize: number): void {
  db.pragma(`page_size = ${pageSize}`);
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE IF NOT EXISTS t0 (id INTEGER PRIMARY KEY, body BLOB, n INTEGER)');
}

function pickTable(db: Database.Database, random: Random): string {
  const tables = db
    .prepare<[], TableRow>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*' ORDER BY name`)
    .all();
  return random.pick(tables).name;
}

function insert(db: Database.Database, table: string, random: Random): void {
  const statement = db.prepare(`INSERT INTO ${table} (body, n) VALUES (?, ?)`);
  for (let i = random.between(1, 30); i > 0; i--) statement.run(random.bytes(random.between(0, 900)), i);
}

function schemaChange(db: Database.Database, table: string, random: Random): void {
  const id = random.between(1, 6);
  const action = random.between(0, 3);
  if (action === 0) db.exec(`CREATE TABLE IF NOT EXISTS t${id} (id INTEGER PRIMARY KEY, body BLOB, n INTEGER)`);
  else if (action === 1) db.exec(`DROP TABLE IF EXISTS t${id}`);
  else if (action === 2) db.exec(`CREATE INDEX IF NOT EXISTS i_${table}_n ON ${table} (n)`);
  else db.exec(`DROP INDEX IF EXISTS i_${table}_n`);
}
