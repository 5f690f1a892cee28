/** A door whose verbs are answered by a fixture, with everything written caught. */

import { LitestreamError } from '../../src/base/errors.ts';
import type { Daemon, Door, FollowListener, FollowWish } from '../../src/cli/door.ts';
import { runWith } from '../../src/cli/run.ts';
import { settingsForArguments, settingsFromText } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import type { Control, VerbInput, VerbName, VerbOutput } from '../../src/control/control.ts';
import type { CallContext } from '../../src/control/verb.ts';
import { VERBS } from '../../src/control/verbs.ts';

export type Answers = { readonly [N in VerbName]?: (input: VerbInput<N>, call: CallContext) => VerbOutput<N> | Promise<VerbOutput<N>> };

export interface FakeOptions {
  readonly config?: string;
  readonly env?: Record<string, string>;
  readonly answers?: Answers;
  /** No daemon answers; `silent`: one is there and does not speak. */
  readonly daemon?: 'none' | 'silent';
  readonly follow?: (wish: FollowWish, listener: FollowListener) => Promise<'exists'>;
  readonly start?: (settings: Settings, signal: AbortSignal, control: Control) => Promise<Daemon>;
}

export interface Call {
  readonly name: string;
  readonly input: unknown;
  readonly attached: string;
}

export class FakeDoor implements Door {
  readonly env: Record<string, string>;
  readonly calls: Call[] = [];
  out = '';
  err = '';
  closed = 0;
  served: unknown;
  readonly stdin = { isTTY: false } as NodeJS.ReadStream;
  readonly stdout = this.#stream((text) => {
    this.out += text;
  });
  readonly stderr = this.#stream((text) => {
    this.err += text;
  });
  readonly #options: FakeOptions;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.env = { PATH: process.env.PATH ?? '', ...options.env };
  }

  #stream(take: (text: string) => void): NodeJS.WriteStream {
    const write = (text: string) => {
      take(text);
      return true;
    };
    return { write } as unknown as NodeJS.WriteStream;
  }

  async loadConfig(choice: Parameters<Door['loadConfig']>[0]): Promise<Settings> {
    const { config } = this.#options;
    if (config === undefined) throw new LitestreamError('CONFIG_NOT_FOUND', 'there is no configuration file /etc/litestream.yml');
    return settingsFromText(config, choice.path ?? '/etc/litestream.yml', choice, this.env);
  }

  async settingsFor(database: string | undefined, urls: readonly string[]): Promise<Settings> {
    return settingsForArguments(database, urls, this.env);
  }

  async attach(): Promise<Control | undefined> {
    if (this.#options.daemon === 'silent') throw new LitestreamError('DAEMON_UNREACHABLE', 'the daemon does not answer');
    return this.#options.daemon === 'none' ? undefined : this.control('daemon');
  }

  async offline(): Promise<Control> {
    return this.control('offline');
  }

  async startDaemon(settings: Settings, signal: AbortSignal): Promise<Daemon> {
    const { start } = this.#options;
    if (start === undefined) throw new LitestreamError('INTERNAL', 'this test starts no daemon');
    return start(settings, signal, this.control('daemon'));
  }

  async follow(_settings: Settings, wish: FollowWish, listener: FollowListener): Promise<'exists'> {
    const { follow } = this.#options;
    if (follow === undefined) throw new LitestreamError('INTERNAL', 'this test follows nothing');
    return follow(wish, listener);
  }

  async serveMCPStdio(settings: Settings, options: object): Promise<void> {
    this.served = { database: settings.databases[0]?.settings.name, ...options };
  }

  /** Validates inputs and answers by the verbs' own schemas, so that a fixture cannot drift away from them. */
  control(attached: 'daemon' | 'offline'): Control {
    return {
      attached,
      call: async (name, input, call) => {
        this.calls.push({ name, input, attached });
        VERBS[name].input.parse(input);
        const answer = this.#options.answers?.[name];
        if (answer === undefined) throw new LitestreamError('INTERNAL', `the fixture has no answer for ${name}`);
        return VERBS[name].output.parse(await answer(input, call)) as VerbOutput<typeof name>;
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }

  /** Runs a command line; the status with what was printed. */
  async run(...args: string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
    const status = await runWith(args, this);
    return { status, out: this.out, err: this.err };
  }
}
