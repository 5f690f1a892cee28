/** The layers of the house as data: which room may import which, and which room owns which package. */

/** A room is named by its folder below `src`; rooms inside `formats` by two names. */
export interface Room {
  /** Other rooms it may import. */
  readonly may: readonly string[];
  /** Rooms of which it may import types only; `*` for all. */
  readonly types?: readonly string[];
  /** Single files of other rooms that it may import: pure functions on plain data. */
  readonly files?: readonly string[];
}

const FORMATS = ['formats/kernel', 'formats/sqlite', 'formats/wal', 'formats/ltx', 'formats/v3', 'formats/age'];
const STORED = ['base', ...FORMATS, 'storage', 'replica'];
const ENGINE = [...STORED, 'sqlite', 'engine'];
const CONTROL = [...ENGINE, 'service', 'control'];

/**
 * ```
 *    cli   http   mcp   dashboard
 *             │
 *          control
 *             │
 *          service
 *             │
 *          engine  ◄── workers
 *          │      │
 *    replica    sqlite
 *     │    │      │
 *     │    └───┬──┘
 *  storage  formats
 *     └────┬───┘
 *        base
 * ```
 */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: { may: [] },
  'formats/kernel': { may: ['base'] },
  'formats/sqlite': { may: ['base', 'formats/kernel'] },
  'formats/wal': { may: ['base', 'formats/kernel', 'formats/sqlite'] },
  'formats/ltx': { may: ['base', 'formats/kernel', 'formats/sqlite'] },
  'formats/v3': { may: ['base', 'formats/kernel', 'formats/sqlite'] },
  'formats/age': { may: ['base'] },
  storage: { may: ['base'] },
  replica: { may: ['base', ...FORMATS, 'storage'] },
  sqlite: { may: ['base', ...FORMATS] },
  engine: { may: [...STORED, 'sqlite'] },
  workers: { may: ENGINE },
  service: { may: ENGINE },
  control: { may: [...ENGINE, 'service'] },
  cli: { may: [...CONTROL, 'config'] },
  http: { may: CONTROL },
  // Both listen; what an address is, is said once.
  mcp: { may: CONTROL, types: ['http'] },
  dashboard: { may: CONTROL },
  // Two destinations are the same, and a text is a secret, by the words of the spec alone (decision 72).
  config: { may: ['base'], types: ['*'], files: ['storage/spec.ts', 'storage/place.ts'] },
};

/** Files that put the rooms together and may import all of them (decision 30). */
export const COMPOSITION_ROOTS: readonly RegExp[] = [
  /^main\.ts$/,
  /^index\.ts$/,
  /^compose\.ts$/,
  /^compose\//,
  /^workers\/(?:.+-)?entry\.ts$/,
];

/** Files outside of the rooms that anybody may import. */
export const COMMON_FILES: readonly string[] = ['version.ts'];

/** Packages that belong to some rooms; a name that ends in `/` stands for all that begin with it. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'better-sqlite3': ['sqlite'],
  '@modelcontextprotocol/': ['mcp'],
  'prom-client': ['service'],
  'age-encryption': ['formats/age'],
  // The configuration, and the token file of the MCP doors.
  yaml: ['config', 'mcp'],
};

/** The room of a file, given by its path below `src`; undefined for files of no room. */
export function roomOf(path: string): string | undefined {
  const [first = '', second = '', third] = path.split('/');
  if (second === '') return undefined;
  return first === 'formats' && third !== undefined ? `formats/${second}` : first;
}
