/** The tables of docs/configuration.md, which come from the schema: `node test/docs/configuration-tables.ts --write` puts them into the page. */

import { writeFileSync } from 'node:fs';
import {
  DATABASE_KEYS,
  GENERAL_REPLICA_KEYS,
  type KeySpec,
  LEASE_KEYS,
  LEVEL_KEYS,
  LOGGING_KEYS,
  MCP_KEYS,
  REPLICA_KEYS,
  RETENTION_KEYS,
  type SectionSpec,
  SNAPSHOT_KEYS,
  SOCKET_KEYS,
  TOP_KEYS,
  VALIDATION_KEYS,
} from '../../src/config/schema.ts';
import { STORE_KINDS } from '../../src/config/stores/kinds.ts';
import { TRANSPORT_KEYS } from '../../src/config/stores/transport.ts';
import { ROOT, readPage } from './document.ts';

const SECTIONS = {
  top: TOP_KEYS,
  database: DATABASE_KEYS,
  replica: GENERAL_REPLICA_KEYS,
  mcp: MCP_KEYS,
  socket: SOCKET_KEYS,
  logging: LOGGING_KEYS,
  level: LEVEL_KEYS,
  snapshot: SNAPSHOT_KEYS,
  retention: RETENTION_KEYS,
  validation: VALIDATION_KEYS,
  lease: LEASE_KEYS,
} as const satisfies Record<string, SectionSpec>;

/** Where keys of a section stand in a file. */
const PREFIX: Readonly<Record<keyof typeof SECTIONS, string>> = {
  top: '',
  database: 'dbs[].',
  replica: 'dbs[].replica.',
  mcp: 'mcp.',
  socket: 'socket.',
  logging: 'logging.',
  level: 'levels[].',
  snapshot: 'snapshot.',
  retention: 'retention.',
  validation: 'validation.',
  lease: 'lease.',
};

const TYPES: Readonly<Record<KeySpec['kind'], string>> = {
  bool: 'true or false',
  int: 'number',
  duration: 'duration',
  bytes: 'size',
  string: 'text',
  path: 'path',
  strings: 'list',
  texts: 'text or list',
  section: 'section',
  sections: 'list of sections',
  any: 'any',
};

/** The page with each table made anew. Throws for a marker that names no table. */
export function withTables(page: string): string {
  return page.replace(/<!-- table: (\w+) -->\n[\s\S]*?<!-- end -->/g, (_, name: string) => {
    return `<!-- table: ${name} -->\n${table(name)}<!-- end -->`;
  });
}

function table(name: string): string {
  if (name === 'later') return lines(['Key', 'What it is for'], laterRows());
  if (name === 'retired') return lines(['Key', 'Instead'], retiredRows());
  const kind = STORE_KINDS.find(({ type }) => type === name);
  if (kind !== undefined) return lines(['Key', 'Type', 'Default', 'In a URL', 'Meaning'], storeRows(kind.keys));
  const spec = name in SECTIONS ? SECTIONS[name as keyof typeof SECTIONS] : undefined;
  if (spec === undefined) throw new Error(`there is no table "${name}"`);
  return lines(['Key', 'Type', 'Default', 'Meaning'], name === 'top' ? topRows() : rowsOf(spec));
}

const code = (text: string): string => `\`${text}\``;

const rowsOf = (spec: SectionSpec): string[][] =>
  Object.entries(spec)
    .filter(([, { state }]) => state === undefined)
    .map(([key, { kind, words, doc, ...rest }]) => [
      code(key),
      words === undefined ? TYPES[kind] : (kind === 'strings' ? 'list of ' : '') + words.map(code).join(', '),
      rest.default === undefined ? '' : code(rest.default),
      doc,
    ]);

/** Keys of one kind of store; what bounds the traffic is told once for all of them. */
export const storeRows = (keys: SectionSpec): string[][] => {
  const own = Object.entries(keys).filter(([name]) => !(name in TRANSPORT_KEYS));
  return rowsOf(Object.fromEntries(own)).map(([key = '', type = '', standard = '', doc = '']) => {
    const { url, secret } = own.find(([name]) => code(name) === key)?.[1] ?? {};
    return [key, `${type}${secret === true ? ', secret' : ''}`, standard, url === true ? 'yes' : '', doc];
  });
};

/** Defaults for replicas are told with the replica. */
const topRows = (): string[][] => rowsOf(TOP_KEYS).filter(([key = '']) => !(key.slice(1, -1) in REPLICA_KEYS));

function entriesOf(state: 'later' | 'retired'): [string, string][] {
  const found = Object.entries(SECTIONS).flatMap(([section, spec]) =>
    Object.entries<KeySpec>(spec)
      .filter(([key, one]) => one.state === state && !(section === 'top' && isDefaultOfReplicas(key)))
      .map(([key, { doc }]): [string, string] => [PREFIX[section as keyof typeof SECTIONS] + key, doc]),
  );
  return found;
}

const isDefaultOfReplicas = (key: string): boolean => key !== 'retention' && key in REPLICA_KEYS && key in TOP_KEYS;

/** Keys with the same words stand in one row. */
function laterRows(): string[][] {
  const byDoc = new Map<string, string[]>();
  for (const [key, doc] of entriesOf('later')) byDoc.set(doc, [...(byDoc.get(doc) ?? []), key]);
  return [...byDoc].map(([doc, keys]) => [keys.map(code).join(', '), doc]);
}

const retiredRows = (): string[][] => entriesOf('retired').map(([key, doc]) => [code(key), doc]);

function lines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

if (process.argv.includes('--write')) writeFileSync(`${ROOT}docs/configuration.md`, withTables(readPage('configuration.md')));
