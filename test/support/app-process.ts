/** Starts the application of a test as a process of its own and sends it work: in one process, SQLite's locks would not be real. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AppContext } from './app-child.ts';

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly code?: string;
}

/** What the child threw, with SQLite's result code. */
export class AppError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code: string | undefined) {
    super(message);
    this.code = code;
  }
}

export class App {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (answer: Answer) => {
      const pending = this.#pending.get(answer.id ?? 0);
      this.#pending.delete(answer.id ?? 0);
      if (answer.error === undefined) pending?.resolve(answer.result);
      else pending?.reject(new AppError(answer.error, answer.code));
    });
    child.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new AppError('the application has ended', undefined));
      this.#pending.clear();
    });
  }

  /** An application whose connections go to `path` unless they say otherwise. */
  static async start(path: string): Promise<App> {
    const child = fork(fileURLToPath(new URL('./app-child.ts', import.meta.url)), [path], { serialization: 'advanced', execArgv: [] });
    const app = new App(child);
    await once(child, 'message');
    return app;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Runs `work` over there. It is sent as text: it may use its two parameters and nothing else of this file. */
  run<A, T>(work: (context: AppContext, argument: A) => T, argument: A): Promise<T>;
  run<T>(work: (context: AppContext) => T): Promise<T>;
  run(work: (context: AppContext, argument: never) => unknown, argument?: unknown): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, source: work.toString(), argument });
    });
  }

  /** Opens the connection `name`. */
  async open(name?: string): Promise<void> {
    await this.run((app, connection) => void app.open(connection ?? undefined), name ?? null);
  }

  /** Runs statements on the connection `name`, opened if it is not. */
  async exec(sql: string, name = 'main'): Promise<void> {
    await this.run((app, [text, connection]: readonly [string, string]) => void app.open(connection).exec(text), [sql, name] as const);
  }

  all(sql: string, name = 'main'): Promise<unknown[]> {
    return this.run((app, [text, connection]: readonly [string, string]) => app.open(connection).prepare(text).all(), [sql, name] as const);
  }

  /** The row (busy, log, checkpointed). */
  checkpoint(mode: string, name = 'main'): Promise<{ busy: number; log: number; checkpointed: number }> {
    return this.run(
      (app, [kind, connection]: readonly [string, string]) =>
        (app.open(connection).pragma(`wal_checkpoint(${kind})`) as { busy: number; log: number; checkpointed: number }[])[0] as never,
      [mode, name] as const,
    );
  }

  digest(): Promise<string> {
    return this.run((app) => {
      app.open();
      return app.digest();
    });
  }

  digestFile(path: string): Promise<string> {
    return this.run((app, file: string) => app.digestFile(file), path);
  }

  close(name = 'main'): Promise<void> {
    return this.run((app, connection: string) => app.close(connection), name);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Closes all connections, then ends the process. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await this.run((app) => app.closeAll()).catch(() => {});
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}
