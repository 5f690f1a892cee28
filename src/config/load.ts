/** From a configuration file, the environment and the command line to frozen settings. */

import { readFile } from 'node:fs/promises';
import { LitestreamError } from '../base/errors.ts';
import { isAbsence } from '../base/system-error.ts';
import type { ListenAddress } from '../http/options.ts';
import { parseListenAddress } from './address.ts';
import { ageOfEnvironment } from './age.ts';
import { databaseForArguments, resolveDatabases } from './databases.ts';
import { destinationOfURL } from './destination.ts';
import { type MapNode, parseConfigDocument } from './document.ts';
import type { Environment } from './expand.ts';
import { Findings } from './findings.ts';
import { parseLogLevel } from './log-level.ts';
import { defaultCare } from './maintenance.ts';
import { resolveMCP } from './mcp.ts';
import { collectOrigins } from './origins.ts';
import { absolutePath, databasePath } from './paths.ts';
import { DEFAULT_SYNC_INTERVAL_MS } from './replicas.ts';
import { parseBool } from './scalars.ts';
import { LOGGING_KEYS, SOCKET_KEYS, TOP_KEYS } from './schema.ts';
import { type Placed, readSection, type Values } from './section.ts';
import type { Settings } from './settings.ts';
import { reportConditions } from './stores/conditions.ts';
import { bufferSize } from './stores/parts.ts';
import { reportTopDefaults } from './top-defaults.ts';

/** Which file to read and how. */
export interface ConfigSource {
  /** `-config`; otherwise LITESTREAM_CONFIG, otherwise /etc/litestream.yml. */
  readonly path?: string;
  readonly expandEnv: boolean;
  /** `-strict`: findings are errors. */
  readonly strict?: boolean;
}

const DEFAULT_PATH = '/etc/litestream.yml';
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const DEFAULT_LAG_BUDGET_MS = 60_000;

type TopValues = Values<typeof TOP_KEYS>;

/** Absolute path of the file that would be read. */
export function configPath(source: ConfigSource, env: Environment): string {
  return absolutePath(source.path || env.LITESTREAM_CONFIG || DEFAULT_PATH, env);
}

/** Reads and checks a configuration. Throws CONFIG_NOT_FOUND, or CONFIG_INVALID listing everything that is wrong. */
export async function loadSettings(source: ConfigSource, env: Environment): Promise<Settings> {
  const path = configPath(source, env);
  return settingsFromText(await readConfig(path), path, source, env);
}

async function readConfig(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > MAX_FILE_BYTES) throw new LitestreamError('CONFIG_INVALID', `the configuration file ${path} is larger than 4 MiB`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof LitestreamError) throw cause;
    if (isAbsence(cause)) {
      throw new LitestreamError('CONFIG_NOT_FOUND', `there is no configuration file ${path}`, {
        hint: 'Name one with -config FILE or in LITESTREAM_CONFIG.',
      });
    }
    throw new LitestreamError('CONFIG_INVALID', `the configuration file ${path} cannot be read`, { cause });
  }
}

/** The settings of a file's text; `path` is only used in findings. */
export function settingsFromText(text: string, path: string, source: ConfigSource, env: Environment): Settings {
  const findings = new Findings();
  const root = parseConfigDocument(text, { file: path, findings, ...(source.expandEnv ? { env } : {}) });
  if (root.kind !== 'map' && root.kind !== 'null') findings.error(root.at, 'a configuration is a mapping of keys such as "dbs:"');
  const node: MapNode = root.kind === 'map' ? root : { kind: 'map', entries: new Map(), keys: new Map(), at: root.at };
  const top = readSection(node, TOP_KEYS, findings);
  const strict = resolveStrict(top, source, env, findings);
  const settings = {
    configPath: path,
    ...resolveTop(top, node, strict, env, findings),
    origins: { ...collectOrigins(node, source, env), ...findings.origins },
  };
  findings.throwIfAny(path, strict);
  return deepFreeze({ ...settings, findings: findings.list });
}

/** Settings for `DB_PATH REPLICA_URL…`: built-in defaults, no listeners. Without a database the entry stands for the replicas alone, under a path where no file is. */
export function settingsForArguments(database: string | undefined, urls: readonly string[], env: Environment): Settings {
  const findings = new Findings();
  const age = ageOfEnvironment(env, findings);
  const names = new Map<string, number>();
  const replicas = urls.flatMap((url) => {
    const found = destinationOfURL(url, { env, findings });
    if (found === undefined) return [];
    const { store, dated } = found;
    reportConditions(store, undefined, { key: '' }, findings);
    const count = (names.get(store.type) ?? 0) + 1;
    names.set(store.type, count);
    return {
      name: count === 1 ? store.type : `${store.type}-${count}`,
      store: age.encryption === undefined ? store : { ...store, encryption: age.encryption },
      syncIntervalMs: DEFAULT_SYNC_INTERVAL_MS,
      maxSyncFiles: 256,
      ...defaultCare(env, findings),
      ...(dated === undefined ? {} : { dated }),
      ...(age.identities.length === 0 ? {} : { ageIdentities: age.identities }),
    };
  });
  const path = database === undefined ? undefined : databasePath(database, env);
  const strict = resolveStrict({}, { expandEnv: false }, env, findings);
  const entry = databaseForArguments(path ?? absolutePath(`.no-database-${process.pid}.db`, env), replicas, bufferSize({ env, findings }));
  const settings = { ...resolveTop({}, EMPTY, strict, env, findings), databases: [entry] };
  findings.throwIfAny('the command line', strict);
  return deepFreeze({ ...settings, findings: findings.list });
}

const EMPTY: MapNode = { kind: 'map', entries: new Map(), keys: new Map(), at: { key: '' } };

function resolveTop(top: TopValues, root: MapNode, strict: boolean, env: Environment, findings: Findings): Settings {
  const address = resolveAddress(top.addr, findings);
  const { databases, directories, disabled } = resolveDatabases(top.dbs?.value ?? [], { top, root, strict }, env, findings);
  const entries = [...databases, ...directories.map(({ template }) => template)];
  const longest = Math.max(0, ...entries.flatMap(({ replicas }) => replicas.map(({ syncIntervalMs }) => syncIntervalMs)));
  // What only a disabled database reads has its effect when it is mended.
  const replicas = disabled.length > 0 ? [] : entries.flatMap((entry) => entry.replicas);
  reportTopDefaults(top, TOP_KEYS, replicas, findings);
  const budget = top['lag-budget'];
  if (budget !== undefined && budget.value < longest)
    findings.warning(budget.at, 'shorter than the longest sync-interval: that replica counts as behind most of the time');
  if (top.socket !== undefined) readSection(top.socket.value, SOCKET_KEYS, findings);
  return {
    strict,
    ...(address === undefined ? {} : { address }),
    mcp: resolveMCP(top.mcp?.value, top['mcp-addr'], env, findings),
    ...(top.exec === undefined || top.exec.value === '' ? {} : { exec: top.exec.value }),
    shutdown: { timeoutMs: top['shutdown-sync-timeout']?.value ?? 30_000, intervalMs: top['shutdown-sync-interval']?.value ?? 500 },
    logging: resolveLogging(top.logging?.value, env, findings),
    lagBudgetMs: budget?.value ?? Math.max(DEFAULT_LAG_BUDGET_MS, 3 * longest),
    databases,
    directories,
    ...(disabled.length === 0 ? {} : { disabled }),
    findings: [],
  };
}

/** Flag, then environment, then file; any of them turns it on. */
function resolveStrict(top: TopValues, source: ConfigSource, env: Environment, findings: Findings): boolean {
  if (source.strict !== undefined) return source.strict;
  const word = env.LITESTREAM_STRICT;
  if (word === undefined || word === '') return top.strict?.value ?? false;
  const parsed = parseBool(word);
  if ('value' in parsed) return parsed.value;
  findings.error({ key: 'LITESTREAM_STRICT' }, `"${word}" ${parsed.problem}`);
  return true;
}

function resolveAddress(text: Placed<string> | undefined, findings: Findings): ListenAddress | undefined {
  if (text === undefined || text.value === '') return undefined;
  const address = parseListenAddress(text.value);
  if (address === undefined) findings.error(text.at, `"${text.value}" is not an address such as 127.0.0.1:9090 or :9090`);
  return address;
}

function resolveLogging(node: MapNode | undefined, env: Environment, findings: Findings): Settings['logging'] {
  const values: Values<typeof LOGGING_KEYS> = node === undefined ? {} : readSection(node, LOGGING_KEYS, findings);
  const word = env.LOG_LEVEL || values.level?.value || 'info';
  const level = parseLogLevel(word);
  const at = env.LOG_LEVEL ? { key: 'LOG_LEVEL' } : (values.level?.at ?? { key: 'logging.level' });
  if (level === undefined)
    findings.warning(at, `"${word}" is not a log level and counts as info; levels are trace, debug, info, warn, error`);
  const type = values.type?.value ?? 'text';
  if (type === 'pretty' && values.type !== undefined)
    findings.warning(values.type.at, 'not in effect in this version; lines are plain text');
  return { level: level ?? 'info', type: type === 'json' ? 'json' : 'text', stderr: values.stderr?.value ?? false };
}

function deepFreeze<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
