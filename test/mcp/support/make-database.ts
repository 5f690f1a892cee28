/** Makes a small database in WAL mode, as an application would: argument is its path. */

import Database from 'better-sqlite3';

const [path = ''] = process.argv.slice(2);
const database = new Database(path);
database.pragma('journal_mode = wal');
database.exec('create table price (id integer primary key, cents integer); insert into price (cents) values (1990), (2490)');
database.close();
