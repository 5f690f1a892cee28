/** Hosts of endpoints: which are on this machine or its network, and what an endpoint without a scheme means. */

import { isIP } from 'node:net';

/** Host part of `HOST`, `HOST:PORT` or `[IPv6]:PORT`, lower case, without brackets. */
export function hostOf(authority: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:/]*))/.exec(authority) ?? [];
  return (bracketed ?? plain).toLowerCase();
}

/** The port of `HOST:PORT`, undefined without one. NaN for one that is no number. */
export function portOf(authority: string): number | undefined {
  const [, port] = /^(?:\[[^\]]*\]|[^:/]*):([^/]*)/.exec(authority) ?? [];
  return port === undefined ? undefined : /^\d{1,5}$/.test(port) && Number(port) < 65_536 ? Number(port) : Number.NaN;
}

/** True for this machine, private addresses, `*.local` and `*.localhost`. Compared as numbers: 172.200.x is a public address. */
export function isLocalHost(host: string): boolean {
  if (isIP(host) === 4) return isPrivateIPv4(host.split('.').map(Number));
  if (isIP(host) === 6) return host === '::1' || /^f[cd]|^fe[89ab]/i.test(host);
  return host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.local');
}

function isPrivateIPv4([a = 0, b = 0]: readonly number[]): boolean {
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) || (a === 169 && b === 254);
}

/** The same with names that are only known inside of a network: one label as of a container, `*.internal`, `*.lan`. */
export const isInnerHost = (host: string): boolean =>
  isLocalHost(host) || !/[.:]/.test(host) || /\.(?:internal|lan|home\.arpa)$/.test(host);

/** An endpoint with its scheme: without one `http` for local hosts, `https` for all others; no slash at the end. */
export function withScheme(endpoint: string): string {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `${isLocalHost(hostOf(endpoint)) ? 'http' : 'https'}://${endpoint}`;
  return text.replace(/\/+$/, '');
}

/** True for `http://` to a host that others on the way can read along with. */
export function isOpenToReaders(endpoint: string): boolean {
  const [, host] = /^http:\/\/(.*)$/i.exec(endpoint) ?? [];
  return host !== undefined && !isInnerHost(hostOf(host));
}
