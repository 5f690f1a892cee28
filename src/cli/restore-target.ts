/** What a `restore` command line means: which databases, from which replica, to which files. */

import { DateTemplate } from '../base/date-template.ts';
import { hasCode, LitestreamError } from '../base/errors.ts';
import type { Destination } from '../config/destination.ts';
import { absolutePath } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { shownURL } from '../config/store-url.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { StoreSpec } from '../storage/spec.ts';
import type { Door } from './door.ts';
import { quoteWord } from './flags.ts';
import { type ConfigFlagValues, findDatabase, isReplicaURL, loadConfig, refuseDisabled } from './source.ts';

export interface RestoreTarget {
  /** Configured database, or the output itself where only a URL is known. */
  readonly path: string;
  readonly output: string;
  readonly replica?: string;
  /** What is restored from, for people. */
  readonly source: string;
}

export interface RestoreTargets {
  readonly settings: Settings;
  readonly targets: readonly RestoreTarget[];
  /** The command line names no database: all of them, planned before anything is written. */
  readonly all: boolean;
}

interface TargetFlags extends ConfigFlagValues {
  readonly o?: string;
  readonly replica?: string;
  readonly json?: boolean;
}

/** Throws USAGE with a complete command to type, DB_NOT_FOUND, or what loading the configuration throws. */
export async function restoreTargets(door: Door, values: TargetFlags, positionals: readonly string[]): Promise<RestoreTargets> {
  const [text, ...more] = positionals;
  if (more.length > 0) throw new LitestreamError('USAGE', `too many arguments: ${more.join(' ')}`, { hint: 'litestream help restore' });
  const output = values.o === undefined || values.o === '' ? undefined : absolutePath(values.o, door.env);
  if (text === undefined) return allTargets(door, values, output);
  if (!isReplicaURL(text)) {
    const settings = await loadConfig(door, values, 'none');
    const { path } = (await findDatabase(settings, text, door.env)).settings;
    return one(settings, { path, output: output ?? path, source: path, ...named(values) });
  }
  if (output === undefined) return fromConfiguredReplica(door, values, text);
  if (values.config !== undefined) throw new LitestreamError('USAGE', 'a replica URL with -o needs no configuration; leave out -config');
  return one(await door.settingsFor(output, [text]), { path: output, output, source: shownURL(text) });
}

const one = (settings: Settings, target: RestoreTarget): RestoreTargets => ({ settings, targets: [target], all: false });

const named = ({ replica }: TargetFlags): { readonly replica?: string } => (replica === undefined ? {} : { replica });

async function allTargets(door: Door, values: TargetFlags, output: string | undefined): Promise<RestoreTargets> {
  const settings = await loadConfig(door, values, values.json === true ? 'none' : 'count').catch((error: unknown) => {
    if (values.config === undefined && hasCode(error, 'CONFIG_NOT_FOUND')) {
      throw new LitestreamError('USAGE', 'a database path or a replica URL is needed', {
        hint: 'litestream restore -o /path/to/db file:///path/to/backups',
        cause: error,
      });
    }
    throw error;
  });
  refuseDisabled(settings, 'restoring');
  const databases = [...settings.databases, ...(await lostMembers(settings))];
  if (databases.length === 0 && settings.directories.length === 0)
    throw new LitestreamError('CONFIG_INVALID', `${settings.configPath ?? 'the configuration'} names no databases`);
  if (databases.length === 0)
    throw new LitestreamError('NO_SNAPSHOT', 'no directory of databases has members, and no replica of one holds any', {
      hint: 'Name the database: litestream restore /path/to/member.db',
    });
  if (output !== undefined && databases.length > 1) {
    throw new LitestreamError('USAGE', '-o names one file, but several databases are configured', {
      hint: `litestream restore -o ${quoteWord(output)} ${quoteWord(databases[0]?.settings.path ?? '')}`,
    });
  }
  const targets = databases.map(({ settings: { path } }) => ({ path, output: output ?? path, source: path, ...named(values) }));
  return { settings, targets, all: true };
}

/** After the loss of a directory only its replicas know what was in it. */
async function lostMembers({ directories, databases }: Settings): Promise<DatabaseEntry[]> {
  const lost: DatabaseEntry[] = [];
  if (directories.length === 0) return lost;
  const { findLostMembers } = await import('../service/directories/lost.ts');
  for (const directory of directories) lost.push(...(await findLostMembers(directory, [...databases, ...lost])));
  return lost;
}

/** Names of the replicas, and destinations of dated ones, that are where the URL says; a template stands for all of its dates. */
async function replicasAt({ replicas }: DatabaseEntry, { store: asked, dated }: Destination): Promise<readonly string[]> {
  const { destinationsOf } = await import('../service/destinations.ts');
  const { isPlaceOf } = await import('../storage/place.ts');
  const isAt = (store: StoreSpec, path: string) => isPlaceOf({ ...store, path }, asked);
  const names = await Promise.all(
    replicas.map(async (replica) => {
      const { store, dated: own } = replica;
      if (dated !== undefined) return own?.template === dated.template && isAt(store, asked.path) ? [replica.name] : [];
      if (isPlaceOf(store, asked)) return [replica.name];
      // Only those that could have been there at another date are asked.
      if (own === undefined || !isAt(store, asked.path) || new DateTemplate(own.template, own.zone).orderOf(asked.path) === undefined)
        return [];
      return (await destinationsOf(replica)).flatMap(({ store: place, name }) => (isPlaceOf(place, asked) ? [name] : []));
    }),
  );
  return names.flat();
}

/** A URL without `-o` goes to the path of the one configured database that has this replica. */
async function fromConfiguredReplica(door: Door, values: TargetFlags, url: string): Promise<RestoreTargets> {
  const { placeOfURL } = await import('../config/destination.ts');
  const asked = placeOfURL(url, door.env);
  const shown = shownURL(url);
  const advice = { hint: `litestream restore -o /path/to/db ${quoteWord(shown)}` };
  const settings = await loadConfig(door, values, 'none').catch((error: unknown) => {
    if (!hasCode(error, 'CONFIG_NOT_FOUND') || values.config !== undefined) throw error;
    throw new LitestreamError('USAGE', 'a replica URL needs an output path: no configuration says which database it belongs to', advice);
  });
  const entries = [...settings.databases, ...(await lostMembers(settings))];
  const owners = await Promise.all(entries.map((entry) => replicasAt(entry, asked)));
  const matches = owners.flatMap((names, index) => {
    const path = entries[index]?.settings.path ?? '';
    return names.map((replica) => ({ path, output: path, replica, source: shown }));
  });
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return one(settings, match);
  throw new LitestreamError(
    'USAGE',
    `${matches.length === 0 ? 'no' : 'more than one'} configured database has the replica ${shown}`,
    advice,
  );
}
