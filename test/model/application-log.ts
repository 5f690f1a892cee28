/** What the model's application said it did, read back after the fact. */

import { readFileSync } from 'node:fs';

export interface LoggedState {
  readonly sequence: number;
  readonly word: 'prepared' | 'committed';
  readonly at: number;
  readonly hash: string;
}

export function readApplicationLog(path: string): LoggedState[] {
  const states: LoggedState[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [word, sequence, at, hash] = line.split(' ');
    if ((word !== 'prepared' && word !== 'committed') || hash === undefined || hash.length !== 64) continue; // a line cut by SIGKILL
    states.push({ word, sequence: Number(sequence), at: Number(at), hash });
  }
  return states;
}

/** Sequence numbers at which the application had this state, ascending. */
export function sequencesOf(states: readonly LoggedState[], hash: string): number[] {
  return states.filter((state) => state.hash === hash).map((state) => state.sequence);
}
