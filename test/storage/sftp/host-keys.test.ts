import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint, hostKeyAlgorithms, judge, knownKeys, parseHostKey } from '../../../src/storage/sftp/host-keys.ts';
import { available } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQe6JRurzyS5bYCR3b4ZQzDxsLy2sPZ3Pa5hFZ1yyZW';
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0p3lQ2uQZ2Zp3Xw8OZgLkM6Xl6v4Z8Dk0lR1n4n9aB';

const keyOf = (line: string): Buffer => {
  const key = parseHostKey(line);
  if (key === undefined) throw new Error(`no key: ${line}`);
  return key.blob;
};

const verdict = (text: string, host: string, port = 22, shown = ED25519) => judge(knownKeys(text, 'known_hosts', host, port), keyOf(shown));

describe('host keys', () => {
  test('are read with and without a comment, and only when they are what they say', () => {
    expect(parseHostKey(ED25519)?.type).toBe('ssh-ed25519');
    expect(parseHostKey(`  ${ED25519} root@nas  `)?.type).toBe('ssh-ed25519');
    for (const line of [
      '',
      'ssh-ed25519',
      'ssh-ed25519 !!!',
      ED25519.replace('ssh-ed25519', 'ssh-rsa'),
      'ssh-ed25519 AAAA',
      `nas ${ED25519}`,
    ])
      expect(parseHostKey(line), line).toBeUndefined();
  });

  test('of known_hosts are found by name, in lists, by pattern, and not where a pattern excludes', () => {
    expect(verdict(`nas ${ED25519}`, 'nas')).toBe('accepted');
    expect(verdict(`nas ${ED25519}`, 'NAS')).toBe('accepted');
    expect(verdict(`other,nas,10.0.0.1 ${ED25519} comment`, 'nas')).toBe('accepted');
    expect(verdict(`*.example.com ${ED25519}`, 'nas.example.com')).toBe('accepted');
    expect(verdict(`na? ${ED25519}`, 'nas')).toBe('accepted');
    expect(verdict(`*.example.com,!nas.example.com ${ED25519}`, 'nas.example.com')).toBe('unknown');
    expect(verdict(`nas.example.com ${ED25519}`, 'nasXexample.com')).toBe('unknown');
    expect(verdict(`# nas ${ED25519}\n\nbroken line\nnas ssh-ed25519 %%%\n`, 'nas')).toBe('unknown');
    expect(verdict(`nas ${ED25519}`, 'nas2')).toBe('unknown');
  });

  test('of another port stand in brackets, and those of the bare name serve where there are none', () => {
    expect(verdict(`[nas]:2222 ${ED25519}`, 'nas', 2222)).toBe('accepted');
    expect(verdict(`[nas]:2222 ${ED25519}`, 'nas', 22)).toBe('unknown');
    expect(verdict(`[nas]:2222 ${ED25519}`, 'nas', 2223)).toBe('unknown');
    expect(verdict(`nas ${ED25519}`, 'nas', 2222)).toBe('accepted');
    expect(verdict(`nas ${ED25519}\n[nas]:2222 ${OTHER}`, 'nas', 2222)).toBe('different');
  });

  test('of which a host has several are all good', () => {
    const text = `nas ${OTHER}\nnas ${ED25519}\n`;
    expect(verdict(text, 'nas')).toBe('accepted');
    expect(verdict(text, 'nas', 22, OTHER)).toBe('accepted');
  });

  test('that differ from the known ones are told from unknown ones', () => {
    expect(verdict(`nas ${OTHER}`, 'nas')).toBe('different');
    expect(verdict('', 'nas')).toBe('unknown');
  });

  test('that are revoked are refused, also when another line accepts them', () => {
    expect(verdict(`@revoked * ${ED25519}\nnas ${ED25519}`, 'nas')).toBe('revoked');
    expect(verdict(`nas ${ED25519}\n@revoked nas ${ED25519}`, 'nas', 2222)).toBe('revoked');
    expect(verdict(`@revoked nas ${OTHER}\nnas ${ED25519}`, 'nas')).toBe('accepted');
  });

  test('of authorities and of markers nobody knows accept nothing', () => {
    expect(verdict(`@cert-authority * ${ED25519}`, 'nas')).toBe('unknown');
    expect(verdict(`@future nas ${ED25519}`, 'nas')).toBe('unknown');
  });

  test('that are known are asked for first, with signatures of today', () => {
    const rsa = { type: 'ssh-rsa', blob: Buffer.alloc(0), where: '', marker: 'accepted' } as const;
    expect(hostKeyAlgorithms([rsa]).slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(hostKeyAlgorithms([{ ...rsa, marker: 'authority' }])[0]).toBe('ssh-ed25519');
    expect(hostKeyAlgorithms([])).not.toContain('ssh-rsa');
  });
});

describe.skipIf(available('sftp') !== undefined)('host keys, against ssh-keygen', () => {
  let directory: TempDirectory;
  beforeAll(async () => {
    directory = await tempDirectory();
  });
  afterAll(() => directory.remove());

  const keygen = (...args: string[]) => execFileSync('ssh-keygen', args, { encoding: 'utf8', cwd: directory.path, stdio: 'pipe' });

  test('have the fingerprint it prints, of every type', () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa']) {
      keygen('-q', '-t', type, '-N', '', '-f', type);
      const line = readFileSync(join(directory.path, `${type}.pub`), 'utf8');
      expect(keygen('-lf', `${type}.pub`)).toContain(` ${fingerprint(keyOf(line))} `);
    }
  });

  test('are found in a file whose names it has hashed', () => {
    const file = join(directory.path, 'known_hosts');
    writeFileSync(file, `nas.example.com ${ED25519}\n[nas.example.com]:2222 ${OTHER}\n`);
    keygen('-H', '-f', 'known_hosts');
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('nas');
    expect(verdict(text, 'Nas.example.com')).toBe('accepted');
    expect(verdict(text, 'nas.example.com', 2222, OTHER)).toBe('accepted');
    expect(verdict(text, 'nas.example.com', 2222)).toBe('different');
    expect(verdict(text, 'nas.example.org')).toBe('unknown');
  });
});
