/** Which Host and Origin headers are ours: parsed, never compared by prefix. */

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

// Host = name or address, optional port; no user info, path, blank or escape.
const HOST = /^(?<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?<port>\d{1,5}))?$/;

/** The lower-case host name of a Host header; undefined when it is not of that form. */
function hostName(header: string): string | undefined {
  const groups = HOST.exec(header)?.groups;
  if (groups?.name === undefined || Number(groups.port ?? 0) > 65_535) return undefined;
  return groups.name.toLowerCase();
}

/** True for loopback names with any port and for the names in `allowed`. */
export function isAllowedHost(header: string | undefined, allowed: readonly string[]): boolean {
  const name = header === undefined ? undefined : hostName(header);
  return name !== undefined && isListed(name, allowed);
}

/** True for web origins with a loopback host and for the origins or names in `allowed`; `null` and extension schemes are not. */
export function isAllowedOrigin(header: string, allowed: readonly string[]): boolean {
  const match = /^(?<scheme>https?):\/\/(?<host>[^/?#]+)$/i.exec(header);
  const name = match?.groups?.host === undefined ? undefined : hostName(match.groups.host);
  if (name === undefined) return false;
  return isListed(name, allowed) || allowed.some((entry) => entry.toLowerCase() === header.toLowerCase());
}

const isListed = (name: string, allowed: readonly string[]): boolean =>
  LOOPBACK.includes(name) || allowed.some((entry) => entry.toLowerCase() === name);

/** True when an address to listen on can only be reached from this machine. */
export function isLoopbackAddress(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
