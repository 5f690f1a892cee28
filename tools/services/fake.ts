/** Starts a server of this repository: a program that takes `--port 0` and prints one line of JSON with its port when it listens. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Room } from './room.ts';

/** The program of a fake server; undefined while there is none. */
export function fakeProgram(name: string): string | undefined {
  const candidates = ['main', 'server', name, 'fake', `fake-${name}`, `${name}-server`, 'serve'];
  return candidates.map((file) => fileURLToPath(new URL(`./${name}/${file}.ts`, import.meta.url))).find((path) => existsSync(path));
}

/** What the server printed: its port, and whatever else it says. */
export async function startFake(room: Room, name: string): Promise<Record<string, unknown> & { readonly port: number }> {
  const program = fakeProgram(name);
  if (program === undefined) throw new Error(`tools/services/${name} has no program to start`);
  const server = room.start(name, process.execPath, program, '--port', '0');
  const line = () => /^\{.*\}$/m.exec(room.output(name))?.[0];
  await room.ready(name, server, () => line() !== undefined);
  const said = JSON.parse(line() ?? '{}') as Record<string, unknown>;
  if (typeof said.port !== 'number') throw new Error(`${program} did not say its port: ${room.output(name)}`);
  return { ...said, port: said.port };
}
