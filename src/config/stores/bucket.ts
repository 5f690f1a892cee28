/** Names of buckets, containers and object stores. */

import type { StoreSpec } from '../../storage/spec.ts';
import type { Placed } from '../section.ts';
import type { StoreContext } from './kind.ts';

/** The name, or undefined with a finding when there is none or it cannot be one. */
export function bucketName(
  type: StoreSpec['type'],
  word: string,
  bucket: Placed<string> | undefined,
  { findings, at }: StoreContext,
): string | undefined {
  if (bucket === undefined || bucket.value === '') {
    findings.error(bucket?.at ?? at, `a replica of type ${type} needs ${withArticle(word)}: the key bucket, or a url that names it`);
    return undefined;
  }
  if (/[\s/:?#@]/.test(bucket.value)) {
    findings.error(bucket.at, `this is not the name of ${withArticle(word)}; a prefix belongs under path`);
    return undefined;
  }
  return bucket.value;
}

const withArticle = (word: string): string => `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
