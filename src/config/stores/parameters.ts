/** Parameters of a replica's URL as values of keys: `?part-size=8MiB` and `?partSize=8MiB` are one. */

import { registerSecret } from '../../base/redact.ts';
import { closest } from '../closest.ts';
import type { Findings } from '../findings.ts';
import type { SectionSpec } from '../schema.ts';
import { type Placed, parseText } from '../section.ts';
import type { ReplicaURL } from '../store-url.ts';

/** Accepted and not used: the sum of a key is made from the key. */
const DERIVED = 'sse-customer-key-md5';

/** What the parameters say. An unknown one is an error that names the nearest known one; of one that is given twice the first counts. */
export function readParameters(
  { value: url, at }: Placed<ReplicaURL>,
  keys: SectionSpec,
  findings: Findings,
): Readonly<Record<string, Placed<unknown>>> {
  const known = new Map(Object.entries(keys).filter(([, { url: may }]) => may === true));
  const values: Record<string, Placed<unknown>> = {};
  for (const [written, text] of url.parameters) {
    const name = kebab(written);
    const key = known.get(name);
    if (key?.secret === true) registerSecret(text);
    if (text === '' || (name === DERIVED && known.has('sse-customer-key'))) continue;
    if (key === undefined) {
      findings.error(at, `the url has an unknown parameter "${written}"${suggestion(name, keys, known.keys(), url.scheme)}`);
      continue;
    }
    const parsed = parseText(text, key);
    if ('problem' in parsed) findings.error(at, `the parameter ${written} of the url ${parsed.problem}`);
    else if (values[name] === undefined) values[name] = { value: parsed.value, at, expanded: false, dated: false };
  }
  return values;
}

function suggestion(name: string, keys: SectionSpec, known: Iterable<string>, scheme: string): string {
  if (Object.hasOwn(keys, name)) return `; ${name} is a key of the configuration only`;
  const names = [...known];
  const near = closest(name, names);
  if (near !== undefined) return `, did you mean "${near}"?`;
  return names.length === 0 ? `; ${scheme} URLs have none` : `; there are ${names.join(', ')}`;
}

/** `forcePathStyle`, `force-path-style` and `requireContentMD5`, as the key is called. */
const kebab = (name: string): string => name.replaceAll(/(?<=[a-z0-9])([A-Z]+)/g, (letters) => `-${letters.toLowerCase()}`).toLowerCase();
