/** The decision about the key a server shows, with the words for it. */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { SSHLogin } from '../spec.ts';
import { fingerprint, judge, type KnownKey, knownKeys, parseHostKey, typeOfBlob } from './host-keys.ts';

export interface HostVerifier {
  readonly known: readonly KnownKey[];
  /** Undefined when the key is accepted, ENDPOINT_UNTRUSTED otherwise. */
  check(blob: Buffer): LitestreamError | undefined;
}

const NOBODY: HostVerifier = { known: [], check: () => undefined };

/**
 * Verifies by `hostKeys`, else by `knownHosts`, else by the user's and the system's known_hosts. Files are read anew each time.
 *
 * Throws CONFIG_INVALID for a host key that is none, ENDPOINT_UNTRUSTED when `knownHosts` cannot be read.
 */
export async function hostVerifier(login: SSHLogin): Promise<HostVerifier> {
  if (login.verifyHost === false) return NOBODY;
  const { host, port = 22 } = login;
  const given = login.hostKeys ?? [];
  if (given.length > 0) return verifier(login, given.map(asKnown), 'host-key');
  const files = login.knownHosts === undefined ? defaultFiles() : [login.knownHosts];
  const known: KnownKey[] = [];
  for (const file of files) {
    const text = await readKnownHosts(file);
    known.push(...knownKeys(text, file, host, port));
  }
  return verifier(login, known, files[0] ?? 'known_hosts');
}

const defaultFiles = (): readonly string[] => [join(homedir(), '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts'];

function asKnown(line: string, index: number): KnownKey {
  const key = parseHostKey(line);
  if (key === undefined)
    throw new LitestreamError('CONFIG_INVALID', `host key ${index + 1} of an SFTP destination is no public key`, {
      hint: 'It has the form "ssh-ed25519 AAAA…", as "ssh-keyscan HOST" prints it after the name of the host.',
    });
  return { ...key, where: `configured host key ${index + 1}`, marker: 'accepted' };
}

/** A file that is missing knows nobody: the refusal then says which key to put there. */
async function readKnownHosts(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw new LitestreamError('ENDPOINT_UNTRUSTED', `cannot read the known hosts in ${file} (${systemCode(error) ?? 'error'})`, {
      cause: error,
      hint: 'Let this process read the file.',
    });
  }
}

function verifier(login: SSHLogin, known: readonly KnownKey[], place: string): HostVerifier {
  return {
    known,
    check(blob) {
      const verdict = judge(known, blob);
      return verdict === 'accepted' ? undefined : refusal(login, known, place, blob, verdict);
    },
  };
}

function refusal(
  { host, port = 22 }: SSHLogin,
  known: readonly KnownKey[],
  place: string,
  blob: Buffer,
  verdict: 'revoked' | 'different' | 'unknown',
): LitestreamError {
  const shown = `${typeOfBlob(blob)} ${fingerprint(blob)}`;
  const server = port === 22 ? host : `${host}:${port}`;
  const details = { host, port, shown, hostKey: `${typeOfBlob(blob)} ${blob.toString('base64')}` };
  const scan = `ssh-keyscan${port === 22 ? '' : ` -p ${port}`} ${host}`;
  const compare = 'Compare it on the server with "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" (or the file of that type)';
  if (verdict === 'different') {
    const expected = known
      .filter(({ marker }) => marker === 'accepted')
      .map((key) => `${key.type} ${fingerprint(key.blob)} (${key.where})`);
    return new LitestreamError('ENDPOINT_UNTRUSTED', `${server} shows the host key ${shown}, but expected is ${expected.join(' or ')}`, {
      hint: `Another machine may be answering. ${compare}; only if the server was given a new key, replace the old one there.`,
      details: { ...details, expected },
    });
  }
  if (verdict === 'revoked') {
    const { where = place } = known.find((key) => key.marker === 'revoked' && key.blob.equals(blob)) ?? {};
    return new LitestreamError('ENDPOINT_UNTRUSTED', `${server} shows the host key ${shown}, which is revoked (${where})`, {
      hint: 'Somebody may know its private half. Give the server a new key.',
      details,
    });
  }
  const authorities = known.some(({ marker }) => marker === 'authority')
    ? ' Certificates of hosts (@cert-authority) are not checked: the key itself has to be there.'
    : '';
  return new LitestreamError('ENDPOINT_UNTRUSTED', `${server} shows the host key ${shown}, and no key is known for it in ${place}`, {
    hint: `${compare}. If it is the same, add what "${scan}" prints to the file, or set host-key.${authorities}`,
    details,
  });
}
