/** What a PROPFIND says: which resources there are. */

import { type DAVResult, parseXML } from 'webdav';

/** One resource of a multistatus answer. */
export interface DAVResource {
  /** Path of its URL, decoded, without a slash at the end. */
  readonly path: string;
  readonly isCollection: boolean;
  /** Bytes; 0 where the server says nothing. */
  readonly size: number;
  /** ms since the epoch; 0 where the server says nothing. */
  readonly modifiedAt: number;
  readonly tag: string | undefined;
}

/** The properties that are asked for. */
export const PROPFIND_BODY =
  '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/></D:prop></D:propfind>';

/**
 * Values stay text: a number would lose digits. Entities are not counted, because servers write the quotes of ETags with them and large listings
 * have many; documents that declare some of their own are refused before.
 */
const PARSING = {
  attributeNamePrefix: '@',
  attributeParsers: [],
  tagParsers: [() => undefined],
  entityDecoder: { limit: { maxTotalExpansions: 0, maxExpandedLength: 0 } },
};

/** `split`: the properties of a resource stand in several groups, of which the parser keeps the first; without a list of wanted ones there is one. */
export type Multistatus = readonly DAVResource[] | 'invalid' | 'split';

/** The resources of a multistatus document, without those that the server says are gone. */
export async function parseMultistatus(text: string): Promise<Multistatus> {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text) || !/multistatus/.test(text)) return 'invalid';
  let parsed: DAVResult;
  try {
    parsed = await parseXML(text, PARSING);
  } catch {
    return 'invalid';
  }
  const resources: DAVResource[] = [];
  for (const response of parsed.multistatus.response) {
    const resource = asResource(response);
    if (typeof resource === 'object') resources.push(resource);
    else if (resource !== 'gone') return resource;
  }
  return resources;
}

function asResource(response: unknown): DAVResource | 'gone' | 'invalid' | 'split' {
  const { href, status, propstat } = asRecord(response);
  if (typeof href !== 'string') return 'invalid';
  if (status !== undefined && !isSuccess(status)) return isAbsence(status) ? 'gone' : 'invalid';
  const { prop, status: ofProperties } = asRecord(propstat);
  if (ofProperties !== undefined && !isSuccess(ofProperties)) return 'split';
  const { resourcetype, getcontentlength, getlastmodified, getetag } = asRecord(prop);
  const path = pathOf(href);
  if (path === undefined) return 'invalid';
  const size = Number(textOf(getcontentlength) ?? 0);
  const time = Date.parse(textOf(getlastmodified) ?? '');
  return {
    path,
    isCollection: Object.hasOwn(asRecord(resourcetype), 'collection'),
    size: Number.isSafeInteger(size) && size >= 0 ? size : 0,
    modifiedAt: Number.isNaN(time) ? 0 : time,
    tag: tagOf(textOf(getetag)),
  };
}

/** An ETag, whether weak or not: some servers call one weak while the file is younger than a second. */
export const tagOf = (etag: string | undefined): string | undefined => etag?.replace(/^W\//, '');

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;

const isAbsence = (status: unknown): boolean => /\s(?:404|410)\b/.test(String(status));

const isSuccess = (status: unknown): boolean => /\s2\d\d\b/.test(String(status));

/** An href is a path, or a whole URL. */
function pathOf(href: string): string | undefined {
  try {
    const path = href.startsWith('/') ? href : new URL(href).pathname;
    return decodeURIComponent(path).replace(/(?<=.)\/+$/, '');
  } catch {
    return undefined;
  }
}
