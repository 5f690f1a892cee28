/** A metric of databases or replicas: how its lines in the Prometheus text format come from the numbers of a database. */

import type { DatabaseSeries, ReplicaSeries } from './database-series.ts';
import { closing, type Lines } from './lines.ts';

export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Writes what this database has of it, which may be nothing. */
  readonly write: (lines: Lines, database: DatabaseSeries) => void;
}

type Announced = Omit<Family, 'write'>;

/** One line for each database that has the number. */
export function ofDatabases(type: Family['type'], name: string, help: string, value: (of: DatabaseSeries) => number | undefined): Family {
  const write: Family['write'] = (lines, database) => {
    const found = value(database);
    if (found !== undefined) lines.add(database, undefined, found);
  };
  return { name, type, help, write };
}

/** One line for each replica that has the number. */
export function ofReplicas(type: Family['type'], name: string, help: string, value: (of: ReplicaSeries) => number | undefined): Family {
  return forEachReplica({ name, type, help }, (lines, database, replica) => {
    const found = value(replica);
    if (found !== undefined) lines.add(database, replica, found);
  });
}

/** What `write` writes for each replica. */
export function forEachReplica(family: Announced, write: (lines: Lines, database: DatabaseSeries, replica: ReplicaSeries) => void): Family {
  return {
    ...family,
    write: (lines, database) => {
      // This and `forEachWord` run ten thousand times an exposition: an iterator for each is what most of its garbage was.
      const { replicas } = database;
      for (let index = 0; index < replicas.length; index++) write(lines, database, replicas[index] as ReplicaSeries);
    },
  };
}

/** The values that one label may have, each with what ends its lines. */
export interface Words<W extends string> {
  readonly words: readonly W[];
  readonly closings: readonly string[];
}

/** @param before other labels in front, as `,name="value"`. */
export const wordsOf = <W extends string>(label: string, words: readonly W[], before = ''): Words<W> => ({
  words,
  closings: words.map((word) => `${before}${closing(label, word)}`),
});

/** A line for each word that has a number. */
export function forEachWord<W extends string>(
  lines: Lines,
  database: DatabaseSeries,
  replica: ReplicaSeries | undefined,
  { words, closings }: Words<W>,
  value: (word: W) => number | undefined,
): void {
  for (let index = 0; index < words.length; index++) {
    const found = value(words[index] as W);
    if (found !== undefined) lines.add(database, replica, found, closings[index]);
  }
}
