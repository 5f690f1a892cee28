/** A nats-server of a test's own, with a configuration of its own, that may be stopped and started again. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../../tools/services/programs.ts';
import { freePort } from '../../../tools/services/room.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

export class TestServer {
  readonly directory: string;
  readonly port: number;
  readonly #temp: TempDirectory;
  #process: ChildProcess | undefined;

  private constructor(temp: TempDirectory, port: number) {
    this.#temp = temp;
    this.directory = temp.path;
    this.port = port;
  }

  /** Not started yet: files may be put into its directory first. */
  static async create(): Promise<TestServer> {
    return new TestServer(await tempDirectory('litestream-nats-'), await freePort());
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** @param config what is added to address and JetStream. */
  async start(config = ''): Promise<void> {
    const jetStream = `jetstream { store_dir: ${JSON.stringify(join(this.directory, 'js'))}, max_mem: 64M, max_file: 1G }`;
    const path = this.write('nats.conf', `listen: 127.0.0.1:${this.port}\n${jetStream}\n${config}\n`);
    const server = spawn(findProgram('nats-server') ?? 'nats-server', ['-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = server;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      server.stderr?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Server is ready')) resolve();
      });
      server.once('exit', () => reject(new Error(`nats-server ended: ${output.slice(-2000)}`)));
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    server.kill(signal);
    await once(server, 'exit');
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    await this.#temp.remove();
  }
}
