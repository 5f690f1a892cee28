/** Which host keys are accepted for a server: given ones, or those of known_hosts files. */

import { createHash, createHmac } from 'node:crypto';

/** Public key of a host in SSH's own form (RFC 4253, Public Key Algorithms). */
export interface HostKey {
  /** `ssh-ed25519`, `ssh-rsa`, … */
  readonly type: string;
  readonly blob: Buffer;
}

/** A key somebody has written down, and where. */
export interface KnownKey extends HostKey {
  /** For people: `the configured host key`, `/home/x/.ssh/known_hosts line 3`. */
  readonly where: string;
  readonly marker: KnownKeyMarker;
}

export type KnownKeyMarker = 'accepted' | 'revoked' | 'authority';

export type Verdict = 'accepted' | 'revoked' | 'different' | 'unknown';

/** The key of an authorized_keys line without options (`TYPE BASE64 [comment]`); undefined when it is none. */
export function parseHostKey(line: string): HostKey | undefined {
  const [type, base64] = line.trim().split(/\s+/);
  if (type === undefined || base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const blob = Buffer.from(base64, 'base64');
  return typeOfBlob(blob) === type ? { type, blob } : undefined;
}

/** The type a key names itself, '' when the bytes are no key. */
export function typeOfBlob(blob: Buffer): string {
  if (blob.byteLength < 4) return '';
  const length = blob.readUInt32BE(0);
  return length > 0 && length <= 64 && blob.byteLength > 4 + length ? blob.toString('latin1', 4, 4 + length) : '';
}

/** As ssh and ssh-keygen print it. */
export const fingerprint = (blob: Buffer): string => `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;

/**
 * Lines of a known_hosts file (sshd(8)) that are about a server. As ssh does, lines of another port than 22 are looked up as `[host]:port`, and
 * by the bare host only where there are none of those. Lines that cannot be read are left out.
 */
export function knownKeys(text: string, file: string, host: string, port: number): KnownKey[] {
  const lines = text.split('\n').map((line, i) => parseLine(line, `${file} line ${i + 1}`));
  const about = (name: string) => lines.flatMap((line) => (line?.matches(name) ? [line.key] : []));
  const plain = host.toLowerCase();
  const bracketed = about(`[${plain}]:${port}`);
  if (port === 22) return [...about(plain), ...bracketed];
  return bracketed.some(({ marker }) => marker === 'accepted')
    ? bracketed
    : [...bracketed, ...about(plain).filter(({ marker }) => marker !== 'authority')];
}

interface Line {
  readonly key: KnownKey;
  readonly matches: (name: string) => boolean;
}

const MARKERS: Readonly<Record<string, KnownKeyMarker>> = { '@revoked': 'revoked', '@cert-authority': 'authority' };

function parseLine(line: string, where: string): Line | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  const [first = '', ...others] = text.split(/\s+/);
  const marker = first.startsWith('@') ? MARKERS[first] : 'accepted';
  const [patterns, ...rest] = first.startsWith('@') ? others : [first, ...others];
  const key = parseHostKey(rest.join(' '));
  if (marker === undefined || patterns === undefined || key === undefined) return undefined;
  return { key: { ...key, where, marker }, matches: patterns.startsWith('|1|') ? hashed(patterns) : listed(patterns) };
}

/** `|1|salt|hash`: HMAC-SHA1 of the name. */
function hashed(entry: string): Line['matches'] {
  const [, , salt = '', hash = ''] = entry.split('|');
  return (name) => createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

/** Patterns with `*` and `?`, separated by commas; one with `!` that fits excludes the name. */
function listed(patterns: string): Line['matches'] {
  const tests = patterns
    .toLowerCase()
    .split(',')
    .map((pattern) => ({ excludes: pattern.startsWith('!'), expression: glob(pattern.replace(/^!/, '')) }));
  return (name) => {
    const fitting = tests.filter(({ expression }) => expression.test(name));
    return fitting.length > 0 && fitting.every(({ excludes }) => !excludes);
  };
}

const glob = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*+/g, '.*')
      .replace(/\?/g, '.')}$`,
  );

/** A key that is revoked anywhere is refused even where it is also accepted. Authorities accept nothing here: certificates of hosts are not checked. */
export function judge(known: readonly KnownKey[], presented: Buffer): Verdict {
  const same = known.filter(({ blob }) => blob.equals(presented));
  if (same.some(({ marker }) => marker === 'revoked')) return 'revoked';
  if (same.some(({ marker }) => marker === 'accepted')) return 'accepted';
  return known.some(({ marker }) => marker === 'accepted') ? 'different' : 'unknown';
}

/** Signature algorithms of the SSH library by type of key. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Host key algorithms in the order of asking: those of the known keys first, so that a server with several keys shows one that is known. */
export function hostKeyAlgorithms(known: readonly KnownKey[]): string[] {
  const preferred = known.filter(({ marker }) => marker === 'accepted').flatMap(({ type }) => ALGORITHMS[type] ?? []);
  return [...new Set([...preferred, ...Object.values(ALGORITHMS).flat()])];
}
