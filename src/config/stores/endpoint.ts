/** The endpoint of a service, as it was written. */

import { isOpenToReaders, withScheme } from '../hosts.ts';
import type { Placed } from '../section.ts';
import type { StoreContext } from './kind.ts';

/** An endpoint as it was written, with its scheme; undefined, with a finding, when it is none. */
export function readEndpoint(endpoint: Placed<string> | undefined, { findings }: StoreContext): string | undefined {
  if (endpoint === undefined || endpoint.value === '') return undefined;
  const text = withScheme(endpoint.value);
  if (!/^https?:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?$/i.test(text)) {
    findings.error(endpoint.at, 'an endpoint is a host or a URL such as https://s3.example.org, without user, password and parameters');
    return undefined;
  }
  if (isOpenToReaders(text)) findings.warning(endpoint.at, `${text} is not encrypted on its way: use https`);
  return text;
}
