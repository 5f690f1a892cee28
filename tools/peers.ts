/**
 * Installs the programs of others that tests talk to, pinned, into `.peers/` and outside the lock file: `node tools/peers.ts [NAME…]`.
 *
 * Each has a directory of its own, because an unsaved install prunes what an earlier one left. Without a reachable registry nothing is installed and
 * the exit status is 0: the tests that need a peer then say so.
 */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Peer {
  readonly package: string;
  readonly version: string;
  /** Command of the package, where it has one. */
  readonly bin?: string;
  readonly platform?: string;
  readonly what: string;
}

export const PEERS = {
  inspector: { package: '@modelcontextprotocol/inspector', version: '2.12.0', bin: 'mcp-inspector', what: 'command-line MCP client' },
  'conformance-stable': {
    package: '@modelcontextprotocol/conformance',
    version: '0.1.16',
    bin: 'conformance',
    what: 'MCP conformance suite',
  },
  'conformance-next': {
    package: '@modelcontextprotocol/conformance',
    version: '0.2.0-alpha.12',
    bin: 'conformance',
    what: 'MCP conformance suite by revision',
  },
  vfs: { package: 'litestream-vfs-linux-amd64', version: '0.5.17', platform: 'linux-x64', what: 'VFS extension of the original, 84 MB' },
  'hash-wasm': { package: 'hash-wasm', version: '4.13.0', what: 'CRC-64 for the kernel bench' },
  'lz4-wasm-nodejs': { package: 'lz4-wasm-nodejs', version: '0.9.2', what: 'LZ4 for the kernel bench' },
  'lz4-napi': { package: 'lz4-napi', version: '2.10.0', what: 'LZ4 for the kernel bench' },
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

const ROOT = fileURLToPath(new URL('../.peers', import.meta.url));
/** Failures of the way to the registry, not of ours. */
const UNREACHABLE =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|E403|E404|E50\d|ETARGET/;

/** Directory of the installed package in the pinned version; undefined when it is not there. */
export function peerDirectory(name: PeerName): string | undefined {
  const peer: Peer = PEERS[name];
  const directory = join(ROOT, name, 'node_modules', peer.package);
  const manifest = join(directory, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string };
  return version === peer.version ? directory : undefined;
}

/** The script behind the peer's command; undefined when the peer is not installed. */
export function peerScript(name: PeerName): string | undefined {
  const peer: Peer = PEERS[name];
  const directory = peerDirectory(name);
  if (directory === undefined || peer.bin === undefined) return undefined;
  const { bin } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { bin?: string | Record<string, string> };
  const script = typeof bin === 'string' ? bin : (bin?.[peer.bin] ?? Object.values(bin ?? {})[0]);
  return script === undefined ? undefined : join(directory, script);
}

/** What a test prints when it has to skip. */
export function absence(name: PeerName): string {
  const peer: Peer = PEERS[name];
  return `${peer.package} ${peer.version} (${peer.what}) is not installed; run: node tools/peers.ts ${name}`;
}

type Outcome = 'present' | 'installed' | 'other platform' | 'unreachable' | 'failed';

async function install(name: PeerName): Promise<{ readonly outcome: Outcome; readonly reason?: string }> {
  const peer: Peer = PEERS[name];
  if (peerDirectory(name) !== undefined) return { outcome: 'present' };
  const platform = `${process.platform}-${process.arch}`;
  if (peer.platform !== undefined && peer.platform !== platform) return { outcome: 'other platform', reason: `it is for ${peer.platform}` };
  const prefix = join(ROOT, name);
  await mkdir(prefix, { recursive: true });
  // A manifest of its own keeps npm from looking for one further up.
  await writeFile(join(prefix, 'package.json'), '{ "private": true }\n');
  const spec = `${peer.package}@${peer.version}`;
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1', '--fetch-timeout=60000'];
  const { code, text } = await run('npm', [
    'install',
    '--prefix',
    prefix,
    '--no-save',
    '--no-package-lock',
    '--ignore-scripts',
    ...quiet,
    spec,
  ]);
  if (code === 0 && peerDirectory(name) !== undefined) return { outcome: 'installed' };
  return { outcome: UNREACHABLE.test(text) ? 'unreachable' : 'failed', reason: firstLines(text) };
}

function run(command: string, args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const collect = (chunk: Buffer) => {
      text += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ code: 1, text: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

const firstLines = (text: string): string => text.trim().split('\n').slice(0, 4).join(' | ').slice(0, 400);

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !Object.hasOwn(PEERS, name));
  if (unknown.length > 0) {
    console.error(`unknown peer ${unknown.join(', ')}; there are ${Object.keys(PEERS).join(', ')}`);
    return 2;
  }
  const wanted = (names.length > 0 ? names : Object.keys(PEERS)) as PeerName[];
  let status = 0;
  for (const name of wanted) {
    const peer: Peer = PEERS[name];
    const { outcome, reason } = await install(name);
    console.log(`${name}: ${peer.package} ${peer.version}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`);
    if (outcome === 'failed') status = 1;
  }
  return status;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
