/** Runs the servers and peers of the interoperability tests as processes of their own. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SERVE = fileURLToPath(new URL('serve-entry.ts', import.meta.url));
/** Serves the conformance suite's own test tools through the same HTTP door. */
export const FIXTURE_HOST = fileURLToPath(new URL('fixture-entry.ts', import.meta.url));

export interface Served {
  /** `http://127.0.0.1:PORT/mcp` */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts the product's HTTP door over sample verbs; `script` may be another entry that prints its address. */
export async function serve(token?: string, script = SERVE): Promise<Served> {
  const child = spawn(process.execPath, [script, ...(token === undefined ? [] : [token])], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
    child.once('close', () => reject(new Error('the server ended before it printed its address')));
  });
  return {
    address,
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script with our own Node and collects what it prints. */
export function runScript(script: string, args: readonly string[], timeoutMs = 120_000): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}
