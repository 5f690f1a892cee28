/** The replicas of one database: store, cadence and name, with the top level's values as defaults. */

import { DateTemplate } from '../base/date-template.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { DatedDestination, ReplicaSettings } from '../engine/options.ts';
import type { FileStoreSpec, StoreSpec } from '../storage/spec.ts';
import { resolveAge } from './age.ts';
import type { PlacedReplica } from './database-draft.ts';
import type { MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings, Place } from './findings.ts';
import { resolveCare, type Written } from './maintenance.ts';
import { absolutePath, isURL } from './paths.ts';
import { REPLICA_KEYS, type TOP_KEYS } from './schema.ts';
import { type Placed, readSection, type Values } from './section.ts';

const AVAILABLE_STORES: readonly string[] = ['file'];
const KNOWN_STORES: readonly string[] = ['file', 's3', 'gs', 'gcs', 'abs', 'sftp', 'webdav', 'webdavs', 'nats', 'oss'];

export const DEFAULT_SYNC_INTERVAL_MS = 1000;
const DEFAULT_MAX_SYNC_FILES = 256;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

type ReplicaValues = Values<typeof REPLICA_KEYS>;

/** Reads every replica; one that cannot be used leaves a finding and is absent from the result. */
export function resolveReplicas(
  nodes: readonly MapNode[],
  { database, top }: Omit<Written, 'replica'>,
  env: Environment,
  findings: Findings,
): readonly PlacedReplica[] {
  const taken = new Set<string>();
  return nodes.flatMap((node) => {
    const values = readSection(node, REPLICA_KEYS, findings);
    const ageIdentities = resolveAge(values.age ?? top.age, env, findings);
    const found = resolveDestination(values, top, node.at, env, findings);
    if (found === undefined) return [];
    const { store, dated } = found;
    const name = replicaName(values.name, store.type, taken, findings);
    const care = resolveCare({ replica: values, database, top }, env, findings);
    return [
      {
        settings: {
          ...replicaSettings(name, store, values, top, env),
          ...care,
          ...(dated === undefined ? {} : { dated }),
          ...(ageIdentities.length === 0 ? {} : { ageIdentities }),
        },
        at: node.at,
      },
    ];
  });
}

function replicaSettings(
  name: string,
  store: StoreSpec,
  values: ReplicaValues,
  top: Values<typeof TOP_KEYS>,
  env: Environment,
): ReplicaSettings {
  const files = (values['max-sync-ltx-files'] ?? top['max-sync-ltx-files'])?.value ?? DEFAULT_MAX_SYNC_FILES;
  return {
    name,
    store,
    syncIntervalMs: (values['sync-interval'] ?? top['sync-interval'])?.value ?? DEFAULT_SYNC_INTERVAL_MS,
    maxSyncFiles: files > 0 ? files : Number.POSITIVE_INFINITY,
    ...(values.required?.value === false ? { role: 'best-effort' } : {}),
    ...(values.mirror === undefined ? {} : { mirror: absolutePath(values.mirror.value, env) }),
  };
}

interface Destination {
  readonly store: StoreSpec;
  readonly dated?: DatedDestination;
}

/** With a date in it, where it is now and how it is found again. */
function resolveDestination(
  values: ReplicaValues,
  top: Values<typeof TOP_KEYS>,
  at: Place,
  env: Environment,
  findings: Findings,
): Destination | undefined {
  const written = [values.path, values.url].find((value) => value?.dated === true);
  const template = resolveStore(values, at, env, findings);
  if (template === undefined || written === undefined) return template && { store: template };
  const zone = (values['date-zone'] ?? top['date-zone'])?.value ?? 'UTC';
  try {
    const path = new DateTemplate(template.path, zone).at(Date.now());
    return { store: { ...template, path }, dated: { template: template.path, zone } };
  } catch (error) {
    findings.error(written.at, errorToData(error).message);
    return undefined;
  }
}

function resolveStore(values: ReplicaValues, at: Place, env: Environment, findings: Findings): StoreSpec | undefined {
  const { url, path, type } = values;
  if (url !== undefined && path !== undefined) {
    findings.error(path.at, 'path and url are both given; use one of them');
    return undefined;
  }
  if (path !== undefined && isURL(path.value)) {
    findings.error(path.at, 'a URL belongs under the key "url"');
    return undefined;
  }
  const wanted = storeType(url, type, findings);
  if (wanted === undefined) return undefined;
  if (url !== undefined) return fromURL(url, env, findings);
  if (path !== undefined && path.value !== '') return { type: 'file', path: absolutePath(path.value, env) };
  findings.error(path?.at ?? at, 'a file replica needs a path: the directory to write to');
  return undefined;
}

/** A URL's scheme wins over a different `type`, as in the original, but not silently. */
function storeType(url: Placed<string> | undefined, type: Placed<string> | undefined, findings: Findings): string | undefined {
  const scheme = url === undefined ? undefined : /^([A-Za-z][\w+.-]*):\/\//.exec(url.value)?.[1]?.toLowerCase();
  if (url !== undefined && scheme === undefined) {
    findings.error(url.at, 'this is not a URL such as file:///srv/backups/app');
    return undefined;
  }
  if (scheme !== undefined && type !== undefined && type.value !== scheme)
    findings.warning(type.at, `type "${type.value}" is ignored; the url says ${scheme}`);
  const wanted = scheme ?? type?.value ?? 'file';
  if (AVAILABLE_STORES.includes(wanted)) return wanted;
  const at = url?.at ?? type?.at;
  if (at !== undefined) findings.error(at, storeMessage(wanted));
  return undefined;
}

function storeMessage(wanted: string): string {
  const why = KNOWN_STORES.includes(wanted) ? `store type "${wanted}" is not available in this version` : `"${wanted}" is not a store type`;
  return `${why}; available: ${AVAILABLE_STORES.join(', ')}`;
}

function fromURL(url: Placed<string>, env: Environment, findings: Findings): StoreSpec | undefined {
  try {
    return parseReplicaURL(url.value, env);
  } catch (error) {
    findings.error(url.at, error instanceof LitestreamError ? error.message : 'this is not a URL of a replica');
    return undefined;
  }
}

/** The store a URL names. Percent signs are literal, as in the original. Throws CONFIG_INVALID. */
export function parseReplicaURL(url: string, env: Environment): StoreSpec {
  const [, scheme = '', rest = ''] = /^([A-Za-z][\w+.-]*):\/\/(.*)$/s.exec(url) ?? [];
  if (!AVAILABLE_STORES.includes(scheme.toLowerCase())) throw new LitestreamError('CONFIG_INVALID', storeMessage(scheme || url));
  const path = rest.replace(/[?#].*$/s, '');
  if (path === '') throw new LitestreamError('CONFIG_INVALID', `"${url}" names no directory; write file:///absolute/directory`);
  // `file://a/b` is /a/b in the original.
  const absolute = path.startsWith('/') || path.startsWith('~') ? path : `/${path}`;
  return { type: 'file', path: absolutePath(absolute, env) } satisfies FileStoreSpec;
}

/** The destination of a URL in which a date (UTC) may stand. Throws CONFIG_INVALID. */
export function datedURL(url: string, env: Environment): { readonly store: StoreSpec; readonly dated?: DatedDestination } {
  const template = parseReplicaURL(url, env);
  if (!DateTemplate.isIn(template.path)) return { store: template };
  const dated = { template: template.path, zone: 'UTC' };
  return { store: { ...template, path: new DateTemplate(dated.template, dated.zone).at(Date.now()) }, dated };
}

function replicaName(name: Placed<string> | undefined, type: string, taken: Set<string>, findings: Findings): string {
  if (name !== undefined) {
    if (!NAME.test(name.value)) findings.error(name.at, 'a name has 1 to 64 letters, digits, dots, underscores or hyphens');
    if (taken.has(name.value)) findings.error(name.at, 'another replica of this database has the same name');
    taken.add(name.value);
    return name.value;
  }
  let unique = type;
  for (let number = 2; taken.has(unique); number++) unique = `${type}-${number}`;
  taken.add(unique);
  return unique;
}
