/** SQLite's own consistency checks on a file that nobody else uses. */

import { Connection } from './connection.ts';
import { sqliteCode, sqliteError } from './errors.ts';

export interface IntegrityResult {
  readonly ok: boolean;
  /** What SQLite complained about, first line only; undefined when it is well. */
  readonly problem?: string;
  /** Where nothing is damaged: what breaks rules of its own table, and what could not be checked here; a clause. */
  readonly remark?: string;
}

const PRAGMAS = { quick: 'quick_check', full: 'integrity_check' } as const;

/** More complaints than there can be. */
const ALL = 2_000_000_000;
/** Rows that the application has put there past the rules of the table (with `PRAGMA ignore_check_constraints`, by a change of the schema). */
const BROKEN_RULE = /^(CHECK constraint failed|NULL value|NUMERIC value|TEXT value|non-\w+ value) in /;
/** Tables named in a remark. */
const NAMED = 5;

/**
 * Runs quick_check or integrity_check. Blocks the thread for as long as it takes.
 *
 * Damage is what SQLite itself would never have written. Rows that break a rule of their table are none; and tables that need a function, a
 * collation or a tokenizer of the application are left out, because only the application can check them.
 *
 * The file is opened for writing, because a database in WAL mode cannot be read without; -wal and -shm files that this creates are gone
 * when it returns, provided that nobody else has the file open.
 */
export function checkIntegrity(path: string, kind: 'quick' | 'full'): IntegrityResult {
  let connection: Connection | undefined;
  try {
    connection = new Connection({ path, busyTimeoutMs: 1000 });
    return check(connection, PRAGMAS[kind]);
  } catch (error) {
    const wrapped = sqliteError(error, `checking ${path}`);
    if (wrapped.code === 'DB_CORRUPT' || wrapped.code === 'DB_INVALID') return { ok: false, problem: wrapped.message };
    throw wrapped;
  } finally {
    connection?.close();
  }
}

function check(connection: Connection, pragma: string): IntegrityResult {
  const remarks: string[] = [];
  let complaints: Complaints;
  try {
    complaints = complaintsOf(connection, pragma, undefined);
  } catch (error) {
    if (!isUnknownHere(error)) throw error;
    const tables = checkTables(connection, pragma);
    complaints = tables.complaints;
    if (tables.unchecked.length > 0) remarks.push(`not checked, for what only the application has: ${listed(tables.unchecked)}`);
  }
  const { problem, brokenRule } = complaints;
  if (problem !== undefined) return { ok: false, problem };
  if (brokenRule !== undefined) remarks.unshift(`rows break rules of their own table: ${brokenRule}`);
  return { ok: true, ...(remarks.length === 0 ? {} : { remark: remarks.join('; ') }) };
}

interface Complaints {
  /** The first of each kind. */
  readonly problem?: string;
  readonly brokenRule?: string;
}

/** The structure comes before the rows, so that more than the first complaint is wanted only where that one is about a row. */
function complaintsOf(connection: Connection, pragma: string, table: string | undefined): Complaints {
  const first = firstOf(connection, `PRAGMA ${pragma}(${table === undefined ? '1' : quoted(table)})`);
  if (first.brokenRule === undefined || table !== undefined) return first;
  return firstOf(connection, `PRAGMA ${pragma}(${ALL})`);
}

function firstOf(connection: Connection, sql: string): Complaints {
  let brokenRule: string | undefined;
  let answers = 0;
  for (const row of connection.rows(sql)) {
    answers += 1;
    const answer = String(Object.values(row)[0]);
    if (BROKEN_RULE.test(answer)) brokenRule ??= answer;
    else if (answer !== 'ok') return { problem: answer };
  }
  if (answers === 0) return { problem: 'no answer' };
  return brokenRule === undefined ? {} : { brokenRule };
}

function checkTables(connection: Connection, pragma: string): { readonly complaints: Complaints; readonly unchecked: readonly string[] } {
  const names = [...connection.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")].map(({ name }) => String(name));
  const unchecked: string[] = [];
  let brokenRule: string | undefined;
  for (const name of ['sqlite_schema', ...names]) {
    try {
      const found = complaintsOf(connection, pragma, name);
      if (found.problem !== undefined) return { complaints: found, unchecked };
      brokenRule ??= found.brokenRule;
    } catch (error) {
      if (!isUnknownHere(error)) throw error;
      unchecked.push(name);
    }
  }
  return { complaints: brokenRule === undefined ? {} : { brokenRule }, unchecked };
}

/** The schema names what this SQLite does not have. */
const isUnknownHere = (error: unknown): boolean => {
  const code = sqliteCode(error);
  return code === 'SQLITE_ERROR' || code === 'SQLITE_ERROR_MISSING_COLLSEQ';
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const listed = (names: readonly string[]): string => names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ', …' : '');
