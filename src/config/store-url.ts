/** Replica URLs taken apart, one way for every command and file (docs/configuration.md, URLs of replicas). */

import { LitestreamError } from '../base/errors.ts';
import { registerSecret } from '../base/redact.ts';
import { portOf } from './hosts.ts';

/** A URL of a replica as its parts; what they mean is said by the kind of store. */
export interface ReplicaURL {
  /** Lower case. */
  readonly scheme: string;
  readonly user?: string;
  /** Blanked in all text from here on. */
  readonly password?: string;
  /** Host or hosts with their ports, or the name of a bucket. */
  readonly host: string;
  /** Decoded, from its first slash; '' when there is none. */
  readonly path: string;
  /** Decoded, in the order written. */
  readonly parameters: readonly (readonly [string, string])[];
  /** The URL without user, password and parameters, for people. */
  readonly shown: string;
}

const DATE = /(\$\(\s*date\s[^)]*\))/;

/** The scheme of a URL, lower case; undefined for other text. */
export const schemeOf = (text: string): string | undefined => /^([A-Za-z][\w+.-]+):\/\//.exec(text)?.[1]?.toLowerCase();

/** Schemes of replica URLs; the kinds of store have them too, and are loaded later. */
const SCHEMES = ['file', 's3', 'gs', 'gcs', 'abs', 'sftp', 'webdav', 'webdavs', 'nats', 'oss'];

/** True for a replica URL with a slash too few, `s3:/bucket`, which is taken for a path otherwise. */
export const isHalfURL = (text: string): boolean => SCHEMES.includes(/^(\w+):\/(?!\/)/.exec(text)?.[1]?.toLowerCase() ?? '');

/** CONFIG_INVALID for text that is no URL, with the one that was probably meant. */
export function notURL(text: string): LitestreamError {
  const [, scheme = '', rest = ''] = /^(\w+):\/?(.*)$/s.exec(text) ?? [];
  if (!SCHEMES.includes(scheme.toLowerCase()))
    return new LitestreamError('CONFIG_INVALID', 'this is not a URL such as file:///srv/backups/app');
  const meant = shownURL(`${scheme}://${scheme.toLowerCase() === 'file' ? '/' : ''}${rest}`);
  return new LitestreamError('CONFIG_INVALID', `a URL has two slashes after its scheme: ${meant} is probably meant`);
}

/** A URL as people see it: without user, password and parameters. Text that cannot be taken apart is cut behind its scheme. */
export function shownURL(text: string): string {
  try {
    return parseReplicaURL(text).shown;
  } catch {
    return `${schemeOf(text) ?? 'unknown'}://…`;
  }
}

/** Takes a URL apart. Percent signs are decoded except in `file` URLs, as in the original. Throws CONFIG_INVALID; secrets are never in the message. */
export function parseReplicaURL(text: string): ReplicaURL {
  const scheme = schemeOf(text);
  if (scheme === undefined) throw notURL(text);
  const rest = text.slice(scheme.length + 3);
  // The original takes no parameters of files, and everything before them as it is.
  if (scheme === 'file') {
    const path = rest.replace(/[?#].*$/s, '');
    return { scheme, host: '', path, parameters: [], shown: `file://${path}` };
  }
  const [, before = '', query = ''] = /^((?:\$\([^)]*\)|[^?])*)(?:\?(.*))?$/s.exec(rest) ?? [];
  const [address, path] = splitPath(before);
  const at = address.lastIndexOf('@');
  // What is cut off here would be printed as a host and a path.
  if (at < 0 && path.includes('@') && !address.startsWith('arn:') && Number.isNaN(portOf(address)))
    throw new LitestreamError('CONFIG_INVALID', `a ${scheme} URL with a slash in user or password; write %2F for it`);
  const host = address.slice(at + 1);
  const shown = `${scheme}://${host}${path}`;
  if (`${path}${query}`.split(DATE).some((part, index) => index % 2 === 0 && part.includes('#'))) {
    throw new LitestreamError('CONFIG_INVALID', `${shown}: "#" begins a fragment, which no replica has; write %23 for the sign itself`);
  }
  return {
    scheme,
    ...(at < 0 ? {} : userInfo(address.slice(0, at), shown)),
    host,
    path: decode(path, shown),
    parameters: parametersOf(query, shown),
    shown,
  };
}

/** An access point's ARN holds no slash before that of its name, and everything else ends at the first one. */
function splitPath(text: string): readonly [string, string] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash)];
}

function userInfo(text: string, shown: string): { readonly user?: string; readonly password?: string } {
  const colon = text.indexOf(':');
  const user = decode(colon < 0 ? text : text.slice(0, colon), shown);
  const password = colon < 0 ? '' : decode(text.slice(colon + 1), shown);
  if (password !== '') registerSecret(password);
  return { ...(user === '' ? {} : { user }), ...(password === '' ? {} : { password }) };
}

function parametersOf(query: string, shown: string): readonly (readonly [string, string])[] {
  return query
    .split('&')
    .filter((one) => one !== '')
    .map((one) => {
      const [name = '', ...value] = one.split('=');
      return [decode(name, shown), decode(value.join('=').replaceAll('+', ' '), shown)] as const;
    });
}

/** Percent signs of a date that is still to be made are left alone. */
function decode(text: string, shown: string): string {
  try {
    return text
      .split(DATE)
      .map((part, index) => (index % 2 === 1 ? part : decodeURIComponent(part)))
      .join('');
  } catch {
    throw new LitestreamError(
      'CONFIG_INVALID',
      `${shown}: a percent sign is not followed by two hex digits; write %25 for the sign itself`,
    );
  }
}
