/** Where one replica is: its type, its keys and its URL as the spec of a store, with a date filled in. */

import { posix } from 'node:path';
import { DateTemplate } from '../base/date-template.ts';
import { errorToData, hasCode, LitestreamError } from '../base/errors.ts';
import type { DatedDestination } from '../engine/options.ts';
import type { StoreSpec } from '../storage/spec.ts';
import { closest } from './closest.ts';
import type { Environment } from './expand.ts';
import { Findings } from './findings.ts';
import { isURL } from './paths.ts';
import type { SectionSpec } from './schema.ts';
import type { Placed, Values } from './section.ts';
import { isHalfURL, notURL, parseReplicaURL, type ReplicaURL, schemeOf } from './store-url.ts';
import type { StoreContext, StoreKind } from './stores/kind.ts';
import { kindNamed, kindOfScheme, readersOf, STORE_KINDS, STORE_TYPES } from './stores/kinds.ts';

export interface Destination {
  readonly store: StoreSpec;
  readonly dated?: DatedDestination;
}

/** Keys that every replica has, whatever its store. */
export interface AddressValues {
  readonly type?: Placed<string>;
  readonly path?: Placed<string>;
  readonly url?: Placed<string>;
  readonly 'date-zone'?: Placed<string>;
}

/** Undefined, with findings, when the replica cannot be used. */
export function resolveDestination(replica: AddressValues, top: AddressValues, context: StoreContext): Destination | undefined {
  const template = resolveStore(replica, top, context);
  const written = [replica.path, replica.url].find((value) => value?.dated === true);
  if (template === undefined || written === undefined) return template && { store: template };
  const zone = (replica['date-zone'] ?? top['date-zone'])?.value ?? 'UTC';
  try {
    return fillIn(template, zone);
  } catch (error) {
    context.findings.error(written.at, errorToData(error).message);
    return undefined;
  }
}

/** The destination of now, and how those of other dates are found. Throws CONFIG_INVALID for a date that cannot be. */
function fillIn(template: StoreSpec, zone: string): Destination {
  const path = new DateTemplate(template.path, zone).at(Date.now());
  return { store: { ...template, path }, dated: { template: template.path, zone } };
}

/** The destination of a URL that stands alone, with a date (UTC) in it or not; undefined with findings. */
export function destinationOfURL(text: string, context: Omit<StoreContext, 'at'>): Destination | undefined {
  const url = { value: text, at: { key: '' }, expanded: false, dated: DateTemplate.isIn(text) };
  return resolveDestination({ url }, {}, { ...context, at: url.at });
}

/** The destination of a URL that says where to look, and need not say how to log in. Throws CONFIG_INVALID. */
export function placeOfURL(text: string, env: Environment): Destination {
  const findings = new Findings();
  const found = destinationOfURL(text, { env, findings, isPattern: true });
  findings.throwIfAny('the URL', false);
  if (found === undefined) throw new LitestreamError('CONFIG_INVALID', 'this is not the URL of a replica');
  return found;
}

function resolveStore(replica: AddressValues, top: AddressValues, context: StoreContext): StoreSpec | undefined {
  const { findings } = context;
  const { path } = replica;
  if (path !== undefined && (isURL(path.value) || isHalfURL(path.value))) {
    findings.error(path.at, 'a URL belongs under the key "url"');
    return undefined;
  }
  const said = { replica: replica as Values<SectionSpec>, top: top as Values<SectionSpec> };
  const kind = kindOf(said.replica, context);
  if (kind === undefined) return undefined;
  reportForeign(said.replica, kind, findings);
  try {
    const { url, replica: own } = addressed(said.replica, said.top, kind, context);
    return kind.resolve({ replica: own, top: said.top, ...(url === undefined ? {} : { url }) }, context);
  } catch (error) {
    if (!hasCode(error, 'CONFIG_INVALID')) throw error;
    findings.error(replica.url?.at ?? context.at, error.message);
    return undefined;
  }
}

/** The kind of store, by the scheme of the URL, which wins over a different `type` as in the original, but not silently. */
function kindOf(replica: AddressValues & Values<SectionSpec>, { env, findings, at }: StoreContext): StoreKind | undefined {
  const { url, type, path } = replica;
  if (url !== undefined && url.value !== '') {
    const scheme = schemeOf(url.value);
    const kind = kindOfScheme(scheme ?? '');
    if (scheme === undefined) findings.error(url.at, notURL(url.value).message);
    else if (kind === undefined) findings.error(url.at, `"${scheme}" is not the scheme of a store; there are ${schemes().join(', ')}`);
    else if (type !== undefined && kindNamed(type.value) !== kind)
      findings.warning(type.at, `type "${type.value}" is ignored; the url says ${scheme}`);
    return kind;
  }
  const bucket = replica.bucket?.value ?? env.LITESTREAM_REPLICA_BUCKET;
  const isBucketAlone = type === undefined && path === undefined && typeof bucket === 'string' && bucket !== '';
  const word = type?.value ?? (isBucketAlone ? (schemeOf(bucket) ?? 's3') : 'file');
  const kind = kindNamed(word) ?? (isBucketAlone ? kindOfScheme(word) : undefined);
  if (kind !== undefined) return kind;
  const near = closest(word, STORE_TYPES);
  const advice = near === undefined ? `; there are ${STORE_TYPES.join(', ')}` : `, did you mean "${near}"?`;
  findings.error(type?.at ?? at, `"${word}" is not a store type${advice}`);
  return undefined;
}

const schemes = (): readonly string[] => STORE_KINDS.flatMap((kind) => kind.schemes);

/** Keys of other kinds of store, which nothing reads here. Those of the top level may be for other replicas. */
function reportForeign(replica: Values<SectionSpec>, kind: StoreKind, findings: Findings): void {
  for (const [name, value] of Object.entries(replica)) {
    const readers = readersOf(name);
    if (value === undefined || readers.length === 0 || readers.includes(kind.type)) continue;
    findings.warning(
      value.at,
      `no effect: a replica of type ${kind.type} does not read it (${readers.join(', ')} ${readers.length === 1 ? 'does' : 'do'})`,
    );
  }
}

interface Addressed {
  readonly url?: Placed<ReplicaURL>;
  readonly replica: Values<SectionSpec>;
}

/** The URL, also where it arrives as the name of a bucket: then `path` stands behind its prefix. Throws CONFIG_INVALID. */
function addressed(replica: Values<SectionSpec>, top: Values<SectionSpec>, kind: StoreKind, { env }: StoreContext): Addressed {
  const { url, bucket, path, ...rest } = replica as Values<SectionSpec> & { readonly [N in 'url' | 'bucket' | 'path']?: Placed<string> };
  if (url !== undefined && url.value !== '') return { url: { ...url, value: parseReplicaURL(url.value) }, replica };
  const variable = 'bucket' in kind.keys ? env.LITESTREAM_REPLICA_BUCKET : undefined;
  const place = { at: { key: 'LITESTREAM_REPLICA_BUCKET' }, expanded: true, dated: false };
  const name = bucket ?? (top.bucket as Placed<string> | undefined) ?? (variable === undefined ? undefined : { value: variable, ...place });
  if (name === undefined || !kind.schemes.includes(schemeOf(name.value) ?? '')) return { replica };
  const parsed = parseReplicaURL(name.value);
  const joined = path === undefined ? parsed.path : posix.join('/', parsed.path, path.value);
  return { url: { ...name, value: { ...parsed, path: joined } }, replica: rest };
}
