/** Logging in by Basic (RFC 7617) or Digest (RFC 7616), as the server asks for it. */

import { createHash, randomBytes } from 'node:crypto';

interface Digest {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly algorithm: string | undefined;
  readonly hash: 'md5' | 'sha256';
  readonly isSession: boolean;
  readonly hasQop: boolean;
}

const HASHES: Readonly<Record<string, Digest['hash']>> = { MD5: 'md5', 'SHA-256': 'sha256' };

/**
 * Shared by all requests of a store. Nothing is sent before the server asks, except Basic on an encrypted connection, which saves a request:
 * a server that asks for Digest must not be shown the password.
 */
export class Login {
  readonly #user: string;
  readonly #password: string;
  #scheme: 'basic' | Digest | undefined;
  #count = 0;

  /** @param isSecure the connection is encrypted. */
  constructor(user: string, password: string, isSecure: boolean) {
    this.#user = user;
    this.#password = password;
    this.#scheme = isSecure ? 'basic' : undefined;
  }

  /** Value of the Authorization header, undefined for none. @param uri as in the request line. */
  header(method: string, uri: string): string | undefined {
    if (this.#scheme === undefined) return undefined;
    if (this.#scheme === 'basic') return `Basic ${Buffer.from(`${this.#user}:${this.#password}`).toString('base64')}`;
    this.#count += 1;
    return this.#digest(this.#scheme, method, uri, this.#count);
  }

  /**
   * Takes in the WWW-Authenticate headers of a 401. True when the request is worth repeating: something else, or a newer nonce, can be sent
   * now than `sent`, the header of the request that was refused.
   */
  learn(challenges: readonly string[], sent: string | undefined): boolean {
    const text = challenges.join(', ');
    const digest = parseDigest(text);
    if (digest !== undefined) {
      // Another request may have learnt of this nonce already; counting goes on then.
      if (typeof this.#scheme !== 'object' || this.#scheme.nonce !== digest.nonce) {
        this.#scheme = digest;
        this.#count = 0;
      }
      return true;
    }
    if (!/(?:^|[\s,])basic\b/i.test(text)) return false;
    this.#scheme = 'basic';
    return sent === undefined || !sent.startsWith('Basic ');
  }

  #digest(digest: Digest, method: string, uri: string, count: number): string {
    const hash = (text: string) => createHash(digest.hash).update(text).digest('hex');
    const client = randomBytes(12).toString('hex');
    const counter = count.toString(16).padStart(8, '0');
    const secret = hash(`${this.#user}:${digest.realm}:${this.#password}`);
    const first = digest.isSession ? hash(`${secret}:${digest.nonce}:${client}`) : secret;
    const second = hash(`${method}:${uri}`);
    const response = digest.hasQop
      ? hash(`${first}:${digest.nonce}:${counter}:${client}:auth:${second}`)
      : hash(`${first}:${digest.nonce}:${second}`);
    const quoted = { username: this.#user, realm: digest.realm, nonce: digest.nonce, uri, response, opaque: digest.opaque };
    const parts = Object.entries(quoted).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}="${value.replace(/["\\]/g, '\\$&')}"`],
    );
    if (digest.algorithm !== undefined) parts.push(`algorithm=${digest.algorithm}`);
    if (digest.hasQop) parts.push('qop=auth', `nc=${counter}`, `cnonce="${client}"`);
    else if (digest.isSession) parts.push(`cnonce="${client}"`);
    return `Digest ${parts.join(', ')}`;
  }
}

/** The strongest Digest challenge this can answer. */
function parseDigest(text: string): Digest | undefined {
  const found = [...text.matchAll(/(?:^|[\s,])digest\s+/gi)].flatMap(
    ({ index, 0: { length } }) => parseParameters(text.slice(index + length)) ?? [],
  );
  return found.find(({ hash }) => hash === 'sha256') ?? found[0];
}

function parseParameters(text: string): Digest | undefined {
  const values = new Map<string, string>();
  // Parameters of one challenge follow each other; a word without "=" begins the next one.
  const parameter = /\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))\s*(?:,|$)/y;
  for (let match = parameter.exec(text); match !== null; match = parameter.exec(text)) {
    const [, name = '', quoted, plain = ''] = match;
    values.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain);
  }
  const algorithm = values.get('algorithm');
  const [, name = '', session] = /^(.*?)(-sess)?$/i.exec((algorithm ?? 'MD5').toUpperCase()) ?? [];
  const hash = HASHES[name];
  const [realm, nonce, qop] = [values.get('realm'), values.get('nonce'), values.get('qop')];
  const offersAuth = qop === undefined || qop.split(',').some((word) => word.trim().toLowerCase() === 'auth');
  if (hash === undefined || realm === undefined || nonce === undefined || !offersAuth) return undefined;
  return { realm, nonce, opaque: values.get('opaque'), algorithm, hash, isSession: session !== undefined, hasQop: qop !== undefined };
}
