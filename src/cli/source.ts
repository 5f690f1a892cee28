/** What a command works on: the configuration and the database or replica named on the command line. */

import { realpathSync } from 'node:fs';
import { LitestreamError } from '../base/errors.ts';
import { formatFinding } from '../config/findings.ts';
import { databasePath, isURL } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { isHalfURL, shownURL } from '../config/store-url.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Door } from './door.ts';

/** Databases named in a hint. */
const MOST_CHOICES = 20;

/** Flags of every command that reads the configuration. */
export const CONFIG_FLAGS = { config: 'string', 'no-expand-env': 'bool', strict: 'bool' } as const;

export const CONFIG_USAGE = `  -config PATH      configuration file (default: LITESTREAM_CONFIG, then /etc/litestream.yml)
  -no-expand-env    take values literally, without environment variables
  -strict           treat warnings about the configuration as errors`;

export interface ConfigFlagValues {
  readonly config?: string;
  readonly 'no-expand-env'?: boolean;
  readonly strict?: boolean;
}

/** Loads the configuration and says on stderr what is doubtful in it: everything, or only that there is something. */
export async function loadConfig(door: Door, values: ConfigFlagValues, warnings: 'all' | 'count' | 'none'): Promise<Settings> {
  const settings = await door.loadConfig({
    ...(values.config === undefined ? {} : { path: values.config }),
    expandEnv: values['no-expand-env'] !== true,
    ...(values.strict === undefined ? {} : { strict: values.strict }),
  });
  const { findings } = settings;
  if (warnings === 'all') printFindings(door, settings);
  const doubtful = findings.filter(({ severity }) => severity !== 'info').length;
  if (warnings === 'count' && doubtful > 0) {
    const path = settings.configPath ?? 'the configuration';
    door.stderr.write(
      `Warning: ${path} has ${doubtful} doubtful ${doubtful === 1 ? 'entry' : 'entries'}; "litestream config check" shows them\n`,
    );
  }
  return settings;
}

/** Says on stderr everything that is doubtful, and what is worth knowing. */
export function printFindings({ stderr }: Door, { findings }: Settings): void {
  for (const finding of findings) stderr.write(`${finding.severity === 'info' ? 'Note' : 'Warning'}: ${formatFinding(finding)}\n`);
}

/** A replica URL, also one with a slash too few, as opposed to a database; `sqlite://PATH` is a database. */
export const isReplicaURL = (text: string): boolean => isHalfURL(text) || (isURL(text) && !/^sqlite3?:\/\//.test(text));

/**
 * The configured database that a person named by name or path. A disabled one may run in a daemon with another environment: whoever does the work
 * refuses it. Throws DB_NOT_FOUND listing those there are.
 */
export async function findDatabase(settings: Settings, text: string, env: Door['env']): Promise<DatabaseEntry> {
  const all = [...settings.databases, ...(settings.disabled ?? [])];
  const byName = all.find((entry) => entry.settings.name === text || entry.settings.path === text);
  if (byName !== undefined) return byName;
  const path = databasePath(text, env);
  const byPath = all.find((entry) => entry.settings.path === path || samePath(entry.settings.path, path));
  if (byPath !== undefined) return byPath;
  // A member of a directory may be gone and still have a backup.
  if (settings.directories.length > 0) {
    const { memberAt } = await import('../service/directories/members.ts');
    const member = memberAt(settings.directories, path);
    if (member !== undefined) return member;
  }
  const names = all
    .slice(0, MOST_CHOICES)
    .map((entry) => `${entry.settings.name} (${entry.settings.path})`)
    .join(', ');
  throw new LitestreamError('DB_NOT_FOUND', `${path} is not in ${settings.configPath ?? 'the configuration'}`, {
    hint: names === '' ? 'No databases are configured.' : `Configured: ${names}`,
  });
}

function samePath(left: string, right: string): boolean {
  try {
    return realpathSync(left) === realpathSync(right);
  } catch {
    return false;
  }
}

/** For work on all databases, which would pass some of them over: CONFIG_INVALID naming those that are disabled. */
export function refuseDisabled({ disabled = [] }: Settings, what: string): void {
  const [first] = disabled;
  if (first === undefined) return;
  const lines = disabled.map(({ settings, reason }) => `  ${settings.name}: ${reason.message}`);
  throw new LitestreamError('CONFIG_INVALID', `${what} all databases is not possible; disabled are:\n${lines.join('\n')}`, {
    hint: 'Mend the configuration, or name the databases that are meant one by one.',
  });
}

export interface Subject {
  readonly settings: Settings;
  readonly path: string;
  /** The URL, where no database is known: outputs show it in place of one. */
  readonly url?: string;
}

/**
 * Settings for a command that takes `DB_PATH | REPLICA_URL`, and the database meant; without an argument the only configured one.
 * Throws USAGE when there is none or more than one to choose from.
 */
export async function resolveSubject(
  door: Door,
  values: ConfigFlagValues,
  positionals: readonly string[],
  command: string,
): Promise<Subject> {
  const [text, ...more] = positionals;
  if (more.length > 0) throw new LitestreamError('USAGE', `too many arguments: ${more.join(' ')}`, { hint: `litestream help ${command}` });
  if (text !== undefined && isReplicaURL(text)) {
    if (values.config !== undefined) throw new LitestreamError('USAGE', 'a replica URL needs no configuration; leave out -config');
    const settings = await door.settingsFor(undefined, [text]);
    return { settings, path: onlyDatabase(settings, command), url: shownURL(text) };
  }
  const settings = await loadConfig(door, values, 'none');
  return {
    settings,
    path: text === undefined ? onlyDatabase(settings, command) : (await findDatabase(settings, text, door.env)).settings.path,
  };
}

function onlyDatabase({ databases: usable, disabled = [] }: Settings, command: string): string {
  const databases = [...usable, ...disabled];
  const [only] = databases;
  if (only !== undefined && databases.length === 1) return only.settings.path;
  const example = only?.settings.path ?? '/path/to/db';
  throw new LitestreamError(
    'USAGE',
    databases.length === 0 ? 'no databases are configured' : 'several databases are configured; name one',
    {
      hint: `litestream ${command} ${example}`,
    },
  );
}
