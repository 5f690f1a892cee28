/** Listener addresses: `HOST:PORT`, `:PORT`, `[IPv6]:PORT`. */

import { networkInterfaces } from 'node:os';
import type { ListenAddress } from '../http/options.ts';

/** Parses an address; undefined when it has no port or the port is out of range. Port 0 lets the system choose. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]*)):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65535) return undefined;
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? anyHost() : host, port, text, anyHost: host === '' };
}

/** The address that means every interface, of both families where the machine has IPv6. */
function anyHost(): string {
  const families = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return families.some(({ family }) => family === 'IPv6') ? '::' : '0.0.0.0';
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
