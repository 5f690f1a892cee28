/** Values that a missing variable has left incomplete, where it matters: what they would come to is a place or a form nobody meant. */

import type { Blanks, ConfigNode, MapNode } from './document.ts';
import type { Findings, Place } from './findings.ts';
import { REPLICA_KEYS, TOP_KEYS } from './schema.ts';
import { schemeOf } from './store-url.ts';
import { kindNamed, kindOfScheme, readersOf } from './stores/kinds.ts';

/** Keys of a database that say where it is and what is kept of it. */
const OF_DATABASES = ['path', 'dir', 'pattern', 'recursive', 'meta-path', 'meta-dir', 'snapshot'] as const;

/** Empty, these are as if they were not written: the provider's own way of finding them takes over, as in the original. Half a pair is told apart. */
const FOUND_ELSEWHERE: ReadonlySet<string> = new Set([
  'access-key-id',
  'secret-access-key',
  'session-token',
  'account-key',
  'sas-token',
  'connection-string',
  'region',
]);
const HARMLESS: ReadonlySet<string> = new Set([...FOUND_ELSEWHERE, 'name']);

/** Calls the entry of `dbs`, or a replica of it, unusable for each such value in it, or at top level where it has none of its own. */
export function reportBlanks(entry: MapNode, root: MapNode, findings: Findings): void {
  for (const key of OF_DATABASES) report(entry.entries.get(key), entry.at, findings);
  for (const replica of replicasIn(entry)) {
    for (const [key, value] of replica.entries) if (!HARMLESS.has(key)) report(value, replica.at, findings);
    for (const [key, value] of root.entries) if (reaches(key, replica)) report(value, replica.at, findings);
  }
}

/** The text of a value as it is written, where expansion has left nothing of it or too little. */
export const blanksOf = (node: ConfigNode | undefined): Blanks | undefined =>
  node?.kind === 'scalar' || node?.kind === 'null' ? node.blanks : undefined;

function replicasIn(entry: MapNode): readonly MapNode[] {
  const [one, several] = [entry.entries.get('replica'), entry.entries.get('replicas')];
  const nodes = [...(one === undefined ? [] : [one]), ...(several?.kind === 'list' ? several.items : [])];
  return nodes.filter((node) => node.kind === 'map');
}

/** A value of the top level is in effect for the replica. */
function reaches(key: string, { entries }: MapNode): boolean {
  // At a replica the word means something else.
  if (key === 'retention') return true;
  if (HARMLESS.has(key) || !Object.hasOwn(TOP_KEYS, key) || !Object.hasOwn(REPLICA_KEYS, key)) return false;
  const own = entries.get(key);
  return (own === undefined || own.kind === 'null') && mayRead(key, entries);
}

/** By the scheme or type that is written; a kind that is not known may read everything. */
function mayRead(key: string, entries: MapNode['entries']): boolean {
  const text = (name: string): string | undefined => {
    const node = entries.get(name);
    return node?.kind === 'scalar' && node.text !== '' ? node.text : undefined;
  };
  const [url, type] = [text('url'), text('type')];
  const isPathAlone = url === undefined && type === undefined && text('path') !== undefined;
  const kind = url === undefined ? kindNamed(type ?? (isPathAlone ? 'file' : '')) : kindOfScheme(schemeOf(url) ?? '');
  const readers = readersOf(key);
  return readers.length === 0 || kind === undefined || readers.includes(kind.type);
}

function report(node: ConfigNode | undefined, of: Place, findings: Findings): void {
  if (node === undefined) return;
  if (node.kind === 'map') for (const child of node.entries.values()) report(child, of, findings);
  if (node.kind === 'list') for (const child of node.items) report(child, of, findings);
  for (const message of blanksOf(node)?.messages ?? []) findings.unusable(of, node.at, message);
}
