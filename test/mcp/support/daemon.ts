/** A real `litestream replicate` over a small database in a directory of its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/fake-clock.ts';
import { runScript } from './peer-process.ts';

export const LAUNCHER = fileURLToPath(new URL('../../../src/launcher/litestream', import.meta.url));
const MAKE_DATABASE = fileURLToPath(new URL('make-database.ts', import.meta.url));

/** Writes a configuration and the database it names into `directory`; `mcp` are lines of that section. Returns its path. */
export async function prepare(directory: string, mcp: readonly string[]): Promise<string> {
  const configPath = join(directory, 'litestream.yml');
  const lines = [
    'mcp-addr: 127.0.0.1:0',
    'mcp:',
    `  restore-dirs: [${directory}/restored]`,
    ...mcp.map((line) => `  ${line}`),
    `dbs: [{ path: ${directory}/app.db, replica: { type: file, path: ${directory}/backup } }]`,
  ];
  await writeFile(configPath, `${lines.join('\n')}\n`);
  const made = await runScript(MAKE_DATABASE, [join(directory, 'app.db')]);
  if (made.code !== 0) throw new Error(made.stderr);
  return configPath;
}

export interface RunningDaemon {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts it as a person would, reads from its start-up block where MCP is served, and waits until it owns the database. */
export async function startDaemon(configPath: string, env: Readonly<Record<string, string>> = {}): Promise<RunningDaemon> {
  const child = spawn(LAUNCHER, ['replicate', '-config', configPath], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let text = '';
  const address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      text += chunk;
      const found = /(http:\/\/127\.0\.0\.1:\d+)\/mcp/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => reject(new Error(`the daemon ended: ${text}`)));
  });
  // A daemon is found through the databases it owns, and it owns none until it has opened one.
  await until(() => existsSync(join(configPath, '../.app.db-litestream/owner.json')), 'the daemon owns the database', 80_000);
  return {
    address,
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}
