/** The one grammar of replica URLs: text to spec, and spec to text without credentials. */

import { isAbsolute, resolve } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { StoreSpec } from './spec.ts';

const SCHEMES = ['file'];

/** True for text that is meant as a URL: a word followed by `://`. */
export const isReplicaURL = (text: string): boolean => /^[A-Za-z][\w+.-]*:\/\//.test(text);

/**
 * Parses a replica URL. Throws USAGE for text that is no replica URL, naming the schemes there are.
 *
 * `file://` is followed by a path that is taken as it stands: a host is its first part (`file://a/b` is `/a/b`), and percent signs are not
 * decoded, because the original does not decode them and a replica must be found where the original put it. The original also drops a
 * query or fragment without a word; here they are refused, since the path they belong to would silently be another one.
 */
export function parseReplicaURL(text: string): StoreSpec {
  const [, scheme = '', rest = ''] = /^([A-Za-z][\w+.-]*):\/\/(.*)$/s.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case 'file':
      return { type: 'file', path: parseFilePath(text, rest) };
    case '':
      throw new LitestreamError('USAGE', `${JSON.stringify(text)} is not a replica URL`, { hint: schemesHint() });
    default:
      // The rest is left out: it may hold credentials.
      throw new LitestreamError('USAGE', `replica URLs of scheme ${scheme}:// are not supported`, { hint: schemesHint() });
  }
}

function parseFilePath(url: string, rest: string): string {
  if (/[?#]/.test(rest)) {
    throw new LitestreamError('USAGE', `${url} has a query or a fragment, which file URLs do not take`, {
      hint: 'Give a path that holds "?" or "#" by the configuration keys type and path.',
    });
  }
  if (rest.includes('\0')) throw new LitestreamError('USAGE', 'a file URL holds a NUL character');
  if (rest === '') throw new LitestreamError('USAGE', `${url} names no directory`, { hint: 'Write file:///absolute/directory.' });
  return resolve(isAbsolute(rest) ? rest : `/${rest}`);
}

const schemesHint = (): string => `Supported: ${SCHEMES.map((scheme) => `${scheme}://`).join(', ')}, such as file:///var/backups/app.`;

/** Where a spec points, for people: no credentials, and accepted by `parseReplicaURL` where it can be said as a URL. */
export function formatDestination(spec: StoreSpec): string {
  switch (spec.type) {
    case 'file':
      return `file://${spec.path}`;
  }
}
