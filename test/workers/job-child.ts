/** An application for job tests: has a database open in another process, until it is killed. `job-child PATH wal|delete [busy]`. */

import Database from 'better-sqlite3';

const [, , path = '', mode = 'wal', busy] = process.argv;
const db = new Database(path);
db.pragma(`journal_mode = ${mode}`);
db.exec('CREATE TABLE IF NOT EXISTS t (a)');
db.exec('INSERT INTO t VALUES (1)');
if (busy !== undefined) db.exec('BEGIN IMMEDIATE');
process.stdout.write('ready');
// Holds on to the connection: collected as garbage it would be closed.
setInterval(() => db.open, 1000);
