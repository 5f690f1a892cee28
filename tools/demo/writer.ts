/** The application of the demo: a shop that takes orders until it is killed. Reports every commit to its parent. */

import Database from 'better-sqlite3';

const [path = ''] = process.argv.slice(2);
const db = new Database(path, { timeout: 10_000 });
db.pragma('journal_mode = WAL');
db.pragma('synchronous = NORMAL');
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL, note TEXT)');
const insert = db.prepare('INSERT INTO orders (customer, cents, note) VALUES (?, ?, ?)');
const totals = db.prepare('SELECT count(*) AS orders, coalesce(sum(cents), 0) AS cents FROM orders');

let paused = false;
process.on('message', (message: 'pause' | 'resume') => {
  paused = message === 'pause';
  if (paused) process.send?.({ kind: 'paused', ...(totals.get() as object) });
});

const takeOrders = db.transaction(() => {
  for (let i = 0; i < 5; i++)
    insert.run(`customer ${Math.floor(Math.random() * 1000)}`, Math.floor(Math.random() * 10_000), 'x'.repeat(200));
});

setInterval(() => {
  if (paused) return;
  takeOrders();
  process.send?.({ kind: 'commit', ...(totals.get() as object) });
}, 5);
