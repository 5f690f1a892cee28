/**
 * Child process that reads a replica through the original's loadable extension. `node:sqlite` is used because it accepts URI names, and a
 * process of its own because the extension takes over SQLite's default file system.
 *
 * Arguments: extension, then SQL statements run in order on one connection. Prints the rows of each as a line of JSON.
 */

import { DatabaseSync } from 'node:sqlite';

const [extension = '', ...statements] = process.argv.slice(2);
const loader = new DatabaseSync(':memory:', { allowExtension: true });
loader.loadExtension(extension);
const db = new DatabaseSync('file:replica.db?vfs=litestream');
for (const sql of statements) console.log(JSON.stringify(db.prepare(sql).all()));
