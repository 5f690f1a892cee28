/**
 * Every configuration key: its form, its default and what it means. Reading and the warnings about unknown keys come
 * from these tables; a test holds litestream.yml against them.
 */

import { STORE_KEYS } from './stores/kinds.ts';
import { TRANSPORT_KEYS } from './stores/transport.ts';

/** Forms of a value and what they become. Durations are ms, byte sizes are bytes; `texts` are a list or a single one. */
export type Kind = 'bool' | 'int' | 'duration' | 'bytes' | 'string' | 'path' | 'strings' | 'texts' | 'section' | 'sections' | 'any';

export interface KeySpec {
  readonly kind: Kind;
  /** One sentence. */
  readonly doc: string;
  /** The default as a person would write it; absent when unset means off. */
  readonly default?: string;
  readonly least?: { readonly value: number; readonly exclusive?: boolean };
  readonly words?: readonly string[];
  /** `$(date +FORMAT)` may stand in it. */
  readonly dated?: true;
  /** `later`: known, not in effect in this version. `retired`: a key of older versions, `doc` names the successor. */
  readonly state?: 'later' | 'retired';
  /** Blanked in all text of the process, and never repeated in a finding. */
  readonly secret?: true;
  /** May stand in the URL of a replica as a parameter, in kebab-case and camelCase. */
  readonly url?: true;
  /** Says where a replica is. A URL says it instead, or `default`: unless the replica itself does. Of the top level it is never believed against a URL. */
  readonly address?: 'exclusive' | 'default';
  /** Variables that stand in for it, best first. */
  readonly env?: readonly string[];
}

export type SectionSpec = Readonly<Record<string, KeySpec>>;

const positive = { value: 0, exclusive: true } as const;
const notNegative = { value: 0 } as const;
const later = <K extends Kind>(kind: K, doc: string) => ({ kind, doc, state: 'later' }) as const;
const retired = (doc: string) => ({ kind: 'any', doc, state: 'retired' }) as const;

export const LOGGING_KEYS = {
  level: { kind: 'string', default: 'info', doc: 'trace, debug, info, warn or error. LOG_LEVEL and -log-level win over it.' },
  type: { kind: 'string', default: 'text', words: ['text', 'json', 'pretty'], doc: 'Form of the lines.' },
  stderr: { kind: 'bool', default: 'false', doc: 'Log to stderr instead of stdout.' },
  source: later('bool', 'Adds the place in the source.'),
} as const satisfies SectionSpec;

export const SOCKET_KEYS = {
  enabled: later('bool', 'Opens the public control socket of the original.'),
  path: later('path', 'Its path.'),
  permissions: later('int', 'Its mode, octal.'),
} as const satisfies SectionSpec;

export const MCP_KEYS = {
  'read-only': { kind: 'bool', default: 'true', doc: 'Nothing an AI client asks for changes anything.' },
  token: { kind: 'string', doc: 'Bearer token for mcp-addr. LITESTREAM_MCP_TOKEN wins over it.' },
  'token-scopes': { kind: 'strings', default: '[read]', words: ['read', 'data', 'operate', 'restore'], doc: 'What mcp.token allows.' },
  'token-file': { kind: 'path', doc: 'File with several tokens, mode 0600.' },
  'restore-dirs': { kind: 'strings', doc: 'Directories in which an AI client may let restored copies appear.' },
  confirm: { kind: 'string', default: 'auto', words: ['auto', 'elicit', 'operator'], doc: 'Who confirms a restore.' },
  'plan-ttl': { kind: 'duration', default: '10m', least: positive, doc: 'How long a restore plan may be carried out.' },
  'max-restores': { kind: 'int', default: '2', least: positive, doc: 'Restores at the same time.' },
  'allowed-hosts': { kind: 'strings', doc: 'Host names besides loopback under which mcp-addr is reached.' },
  'allowed-origins': { kind: 'strings', doc: 'Web origins besides loopback that may call.' },
  sse: { kind: 'bool', default: 'true', doc: 'Serves the older SSE transport too.' },
  'max-result-chars': { kind: 'int', default: '20000', least: { value: 1000 }, doc: 'Longest answer.' },
  'audit-log': { kind: 'path', doc: 'File that records who asked for what; by default beside the metadata.' },
  'audit-reads': { kind: 'bool', default: 'true', doc: 'Records reading calls too.' },
  'data-access': later('bool', 'Tools that read rows of past states.'),
  toolsets: later('strings', 'Which groups of tools are offered.'),
  'register-dirs': later('strings', 'Directories whose databases may be registered.'),
  'register-destinations': later('any', 'Replicas a registered database may use.'),
  'cache-bytes': later('bytes', 'Disk space for past states.'),
  rate: later('any', 'Calls per minute.'),
  oauth: later('any', 'OAuth resource server.'),
} as const satisfies SectionSpec;

export const LEVEL_KEYS = {
  interval: { kind: 'duration', least: positive, doc: 'How often the level below is merged into this one.' },
} as const satisfies SectionSpec;

export const SNAPSHOT_KEYS = {
  interval: { kind: 'duration', default: '24h', least: positive, doc: 'How often a full snapshot is written, if anything has changed.' },
  retention: { kind: 'duration', default: '24h', least: positive, doc: 'How long snapshots, and the moments after them, are kept.' },
} as const satisfies SectionSpec;

export const RETENTION_KEYS = {
  enabled: { kind: 'bool', default: 'true', doc: 'Whether anything is ever deleted at a replica.' },
} as const satisfies SectionSpec;

export const VALIDATION_KEYS = {
  interval: { kind: 'duration', doc: 'How often the levels of a replica are checked for gaps and overlaps.' },
} as const satisfies SectionSpec;

export const LEASE_KEYS = {
  enabled: { kind: 'bool', default: 'true', doc: 'Only the holder of the lease writes to the replica.' },
  ttl: { kind: 'duration', default: '30s', least: { value: 3000 }, doc: 'How long a silent holder keeps it.' },
  owner: { kind: 'string', doc: 'Who this is, unique among the machines that may write; by default the host name.' },
} as const satisfies SectionSpec;

/** Bounds of the local log, at top level and for each database. */
const BACKLOG_KEYS = {
  'max-local-bytes': {
    kind: 'bytes',
    default: '4GiB',
    least: positive,
    doc: 'What local files may grow to for a replica that does not take them.',
  },
  'max-local-age': { kind: 'duration', default: '24h', least: positive, doc: 'How long local files wait for such a replica.' },
} as const satisfies SectionSpec;

/** Keys of a replica that are valid at top level too, as defaults for every replica. */
const SHARED_REPLICA_KEYS = {
  'sync-interval': { kind: 'duration', default: '1s', least: positive, doc: 'Least distance between two upload rounds.' },
  'max-sync-ltx-files': { kind: 'int', default: '256', doc: 'Files per upload round; 0 or less for no bound.' },
  age: { kind: 'any', doc: '`recipients` the files are encrypted for, `identities` that open them; lists of age keys, or of files.' },
  'auto-recover': { kind: 'bool', default: 'false', doc: 'Resets the local state by itself when it is damaged beyond repair.' },
  levels: {
    kind: 'sections',
    default: '[30s, 5m, 1h]',
    doc: 'Compaction levels 1 to 8, each a section with its interval; an empty list for none.',
  },
  snapshot: { kind: 'section', doc: 'Schedule and retention of snapshots.' },
  'l0-retention': {
    kind: 'duration',
    default: '5m',
    least: notNegative,
    doc: 'Age up to which merged level-0 files are kept; 0 keeps them all.',
  },
  'l0-retention-check-interval': { kind: 'duration', default: '15s', least: positive, doc: 'How often those are looked for.' },
  'verify-compaction': { kind: 'bool', default: 'false', doc: 'Lists a level after each merge and checks it.' },
  validation: { kind: 'section', doc: 'Periodic check of the listing of all levels.' },
  'verify-interval': {
    kind: 'duration',
    default: '24h',
    least: notNegative,
    doc: 'How often the replica is proven to restore, by restoring it to scratch and comparing; 0 for never.',
  },
  'date-zone': { kind: 'string', default: 'UTC', doc: 'Time zone of `$(date +FORMAT)` in path and url.' },
  lease: { kind: 'section', doc: 'A lease on the replica, for standby machines.' },
  'validation-interval': retired('use validation.interval'),
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

/** Keys of a replica of any kind of store. */
export const GENERAL_REPLICA_KEYS = {
  name: { kind: 'string', doc: 'Name in commands and outputs; by default the type.' },
  type: { kind: 'string', default: 'file', doc: 'Kind of store: file, s3, gs, abs, sftp, webdav, nats or oss.' },
  path: { kind: 'string', dated: true, doc: 'Directory of the replica, or prefix in its bucket.' },
  url: { kind: 'string', dated: true, doc: 'Where the replica is, as URL; not together with path.' },
  ...SHARED_REPLICA_KEYS,
  required: { kind: 'bool', default: 'true', doc: 'false: its failures do not make the database unhealthy or an exit incomplete.' },
  retention: { kind: 'duration', least: positive, doc: 'Wins over snapshot.retention.' },
  'retention-check-interval': { kind: 'duration', least: positive, doc: 'How often retention is enforced; by default with each snapshot.' },
  'snapshot-interval': retired('use snapshot.interval'),
  mirror: { kind: 'path', doc: 'A plain copy of the database that is kept up to date from this replica, for reading.' },
} as const satisfies SectionSpec;

export const REPLICA_KEYS = { ...GENERAL_REPLICA_KEYS, ...STORE_KEYS };

export const DATABASE_KEYS = {
  path: { kind: 'string', doc: 'The SQLite file; relative to the working directory.' },
  name: { kind: 'string', doc: 'Short name in commands and outputs; by default the file name without its extension.' },
  'meta-path': { kind: 'path', doc: 'Directory of the local state; by default .NAME-litestream beside the file.' },
  'monitor-interval': {
    kind: 'duration',
    least: positive,
    doc: 'Least distance between two level-0 files; by default 1s or the shortest sync-interval.',
  },
  'checkpoint-interval': { kind: 'duration', default: '1m', least: notNegative, doc: 'Time between checkpoints; 0 for none by time.' },
  'busy-timeout': { kind: 'duration', default: '1s', least: notNegative, doc: 'How long SQLite waits for a lock.' },
  'min-checkpoint-page-count': { kind: 'int', default: '500', least: positive, doc: 'WAL frames from which a checkpoint is tried.' },
  'truncate-page-n': {
    kind: 'int',
    default: '121359',
    doc: 'WAL frames from which an emergency checkpoint may block writers; negative for never.',
  },
  'max-sync-wal-bytes': { kind: 'bytes', default: '67108864', doc: 'WAL bytes per level-0 file; 0 or less for no bound.' },
  'page-form': { kind: 'string', default: 'block', words: ['block', 'frame'], doc: '`frame` for fleets with readers older than 0.5.16.' },
  'restore-if-db-not-exists': { kind: 'bool', default: 'false', doc: 'Restores a missing database before replication starts.' },
  replica: { kind: 'section', doc: 'The replica.' },
  replicas: { kind: 'sections', doc: 'Several replicas.' },
  snapshot: { kind: 'section', doc: 'Schedule and retention of its snapshots.' },
  ...BACKLOG_KEYS,
  'cold-after': {
    kind: 'duration',
    least: notNegative,
    doc: 'Closes a database after so long without a change, until the next one; by default 5m for members of dir, never for others.',
  },
  dir: { kind: 'path', doc: 'A directory of databases, instead of path; see Directories of databases.' },
  pattern: { kind: 'string', doc: 'Which files of dir: a shell pattern of the file name with `*`, `?` and `[...]`.' },
  recursive: { kind: 'bool', default: 'false', doc: 'Directories below dir too; symbolic links are not followed.' },
  watch: { kind: 'bool', default: 'false', doc: 'Files that appear later are replicated too, and those that go are let go.' },
  'meta-dir': { kind: 'path', doc: 'Local state of the members of dir; by default beside each of them.' },
  'max-checkpoint-page-count': retired('use truncate-page-n'),
} as const satisfies SectionSpec;

export const TOP_KEYS = {
  addr: { kind: 'string', doc: 'Address of metrics and health.' },
  'mcp-addr': { kind: 'string', doc: 'Address of the MCP server; without a host: loopback only, unless a token is set.' },
  mcp: { kind: 'section', doc: 'The MCP server.' },
  socket: { kind: 'section', doc: 'The public control socket of the original.' },
  exec: { kind: 'string', doc: 'Program to run while replicating.' },
  logging: { kind: 'section', doc: 'Log lines.' },
  'shutdown-sync-timeout': {
    kind: 'duration',
    default: '30s',
    least: notNegative,
    doc: 'Time for the last upload of each database; 0 for one attempt.',
  },
  'shutdown-sync-interval': { kind: 'duration', default: '500ms', least: positive, doc: 'Pause between those attempts.' },
  strict: { kind: 'bool', default: 'false', doc: 'Every warning about the configuration is an error. Also LITESTREAM_STRICT and -strict.' },
  'lag-budget': {
    kind: 'duration',
    default: '1m',
    least: positive,
    doc: 'Age of an unsaved change above which a replica counts as behind.',
  },
  'page-form': DATABASE_KEYS['page-form'],
  dbs: { kind: 'sections', doc: 'The databases.' },
  ...SHARED_REPLICA_KEYS,
  retention: { kind: 'section', doc: 'Whether anything is deleted.' },
  ...BACKLOG_KEYS,
  'heartbeat-url': later('any', 'Called when everything is in sync.'),
  'heartbeat-interval': later('any', 'How often.'),
  ...STORE_KEYS,
} as const satisfies SectionSpec;
