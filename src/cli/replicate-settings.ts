/** The settings of a daemon from its command line. */

import { LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import { formatFinding } from '../config/findings.ts';
import { parseLogLevel } from '../config/log-level.ts';
import type { Settings } from '../config/settings.ts';
import { notURL } from '../config/store-url.ts';
import type { Door } from './door.ts';
import { quoteWord } from './flags.ts';
import { CONFIG_FLAGS, type ConfigFlagValues, isReplicaURL, loadConfig, printFindings } from './source.ts';

export const REPLICATE_FLAGS = {
  ...CONFIG_FLAGS,
  exec: 'string',
  once: 'bool',
  'force-snapshot': 'bool',
  'enforce-retention': 'bool',
  'restore-if-db-not-exists': 'bool',
  'log-level': 'string',
} as const;

export interface ReplicateFlags extends ConfigFlagValues {
  readonly exec?: string;
  readonly once?: boolean;
  readonly 'force-snapshot'?: boolean;
  readonly 'enforce-retention'?: boolean;
  readonly 'restore-if-db-not-exists'?: boolean;
  readonly 'log-level'?: string;
}

/** Flags win over the environment, that over the file. Throws USAGE for flags that do not go together, CONFIG_INVALID without databases. */
export async function daemonSettings(door: Door, values: ReplicateFlags, positionals: readonly string[]): Promise<Settings> {
  refuseCombinations(values);
  const loaded = positionals.length === 0 ? await loadConfig(door, values, 'all') : await namedSettings(door, values, positionals);
  refuseEmptyDirectories(loaded);
  if (loaded.databases.length === 0 && loaded.directories.length === 0) {
    if (loaded.disabled !== undefined) throw nothingLeft(loaded.disabled);
    throw new LitestreamError(
      'CONFIG_INVALID',
      `${loaded.configPath ?? 'the configuration'} names no databases: there is nothing to replicate`,
      {
        hint: 'Add an entry with path and replica under "dbs:".',
      },
    );
  }
  const exec = values.exec ?? loaded.exec;
  if (values.once === true && exec !== undefined) throw new LitestreamError('USAGE', '-once and a program to execute exclude each other');
  const level = values['log-level'] === undefined ? loaded.logging.level : levelFlag(values['log-level']);
  const settings: Settings = {
    ...loaded,
    ...(exec === undefined ? {} : { exec }),
    logging: { ...loaded.logging, level },
    databases: loaded.databases.map((entry) =>
      values['restore-if-db-not-exists'] === true ? { ...entry, restoreIfMissing: true } : entry,
    ),
    directories: loaded.directories.map((directory) =>
      values['restore-if-db-not-exists'] === true
        ? { ...directory, template: { ...directory.template, restoreIfMissing: true } }
        : directory,
    ),
  };
  return values.once === true ? withoutListeners(settings) : settings;
}

/** The others run without a disabled database; where there are no others a start is of no use. */
function nothingLeft(disabled: NonNullable<Settings['disabled']>): LitestreamError {
  const lines = disabled.map(({ settings, reason }) => `  ${settings.name}: ${reason.message}`);
  return new LitestreamError('CONFIG_INVALID', `no configured database can be replicated:\n${lines.join('\n')}`, {
    hint: 'Set the variables and credentials that are missing; "litestream config check" shows everything.',
  });
}

/** What is wrong with a directory as it is now stands in the way of replicating it, not of restoring it. */
function refuseEmptyDirectories({ findings, configPath }: Settings): void {
  const wrong = findings.filter(({ severity }) => severity === 'error');
  if (wrong.length === 0) return;
  throw new LitestreamError('CONFIG_INVALID', [`${configPath ?? 'the configuration'}:`, ...wrong.map(formatFinding)].join('\n  '), {
    details: { findings },
  });
}

function refuseCombinations(values: ReplicateFlags): void {
  if (values['force-snapshot'] === true && values.once !== true) throw new LitestreamError('USAGE', '-force-snapshot needs -once');
  if (values['enforce-retention'] === true && values.once !== true) throw new LitestreamError('USAGE', '-enforce-retention needs -once');
}

async function namedSettings(door: Door, values: ReplicateFlags, positionals: readonly string[]): Promise<Settings> {
  const [database = '', ...urls] = positionals;
  if (values.config !== undefined)
    throw new LitestreamError('USAGE', 'a database on the command line needs no configuration; leave out -config');
  if (urls.length === 0) {
    throw new LitestreamError('USAGE', `a replica URL is needed for ${database}`, {
      hint: `litestream replicate ${quoteWord(database)} file:///path/to/backups`,
    });
  }
  const wrong = urls.find((url) => !isReplicaURL(url));
  if (wrong !== undefined && /^\w{2,}:/.test(wrong)) throw notURL(wrong);
  if (wrong !== undefined) throw new LitestreamError('USAGE', `"${redact(wrong)}" is not a replica URL such as file:///path/to/backups`);
  const settings = await door.settingsFor(database, urls);
  printFindings(door, settings);
  return settings;
}

function levelFlag(word: string): Settings['logging']['level'] {
  const level = parseLogLevel(word);
  if (level === undefined) throw new LitestreamError('USAGE', `-log-level is trace, debug, info, warn or error, not "${word}"`);
  return level;
}

/** One pass needs no doors, and must not take those of a daemon that runs. */
function withoutListeners({ address: _, ...settings }: Settings): Settings {
  const { address: __, ...mcp } = settings.mcp;
  return { ...settings, mcp };
}
