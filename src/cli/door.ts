/** What commands are handed: everything heavy is loaded when it is first asked for, so that `version` stays quick. */

import type { Settings } from '../config/settings.ts';
import type { Control } from '../control/control.ts';
import type { FollowNote, FollowRequest } from '../engine/follow/request.ts';
import type { OnRestoreProgress } from '../engine/restore/progress.ts';

export interface ConfigChoice {
  /** `-config`; otherwise LITESTREAM_CONFIG, otherwise /etc/litestream.yml. */
  readonly path?: string;
  readonly expandEnv: boolean;
  /** `-strict`; otherwise LITESTREAM_STRICT, otherwise the file. */
  readonly strict?: boolean;
}

/** A running `replicate`. */
export interface Daemon {
  readonly control: Control;
  /** What is really listened on, for the start-up block. */
  readonly addresses: { readonly mcp?: string; readonly metrics?: string; readonly socket: string };
  /** Merges, takes snapshots and deletes whatever is due at every replica; rejects with the first failure, after all were tried. */
  maintain(signal: AbortSignal): Promise<void>;
  /** Flushes and releases everything. Resolves with the databases whose last changes did not reach a replica. A second call skips what is still waiting. */
  stop(): Promise<readonly { readonly database: string; readonly replica: string; readonly error: string }[]>;
}

/** What `restore -f` asks for. */
export interface FollowWish extends Pick<FollowRequest, 'output' | 'intervalMs' | 'integrity'> {
  /** Of the configured database. */
  readonly path: string;
  /** Name of its replica; else the one that is furthest. */
  readonly replica?: string;
  /** Do nothing when the output exists. */
  readonly ifAbsent: boolean;
}

export interface FollowListener {
  readonly signal: AbortSignal;
  readonly onNote: (note: FollowNote) => void;
  readonly onProgress: OnRestoreProgress;
}

export interface Door {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  loadConfig(choice: ConfigChoice): Promise<Settings>;
  /** Settings for `DB_PATH REPLICA_URL…` without a file. */
  settingsFor(database: string | undefined, replicaURLs: readonly string[]): Promise<Settings>;
  /** The daemon that owns the configured databases, when one runs; DAEMON_UNREACHABLE when it is there and silent. */
  attach(settings: Settings): Promise<Control | undefined>;
  /** Verbs without a daemon: replicas, metadata directories and configuration only. */
  offline(settings: Settings): Promise<Control>;
  startDaemon(settings: Settings, signal: AbortSignal): Promise<Daemon>;
  /** Keeps a copy up to date; rejects with the signal's reason. `exists`: nothing was done, as wished. */
  follow(settings: Settings, wish: FollowWish, listener: FollowListener): Promise<'exists'>;
  /** Serves MCP over stdin and stdout until stdin ends. */
  serveMCPStdio(settings: Settings, options: { readonly readOnly: boolean; readonly scopes: readonly string[] }): Promise<void>;
}

/** One command: returns the exit status; a thrown LitestreamError is printed and mapped by the caller. */
export interface Command {
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** Complete usage text. */
  readonly usage: string;
  run(args: readonly string[], door: Door): Promise<number>;
}
