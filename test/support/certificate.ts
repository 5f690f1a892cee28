/** A certificate for 127.0.0.1, made on the spot, for servers with TLS in tests. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** The same as a file, to be trusted with NODE_EXTRA_CA_CERTS. */
  readonly path: string;
}

/** @param directory an existing one, where its files are put. */
export function makeCertificate(directory: string): Certificate {
  const [key, path] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', path, ...subject], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(path), path };
}
