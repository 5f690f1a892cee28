/** `litestream replicate`: the daemon. */

import { EXIT, hasCode, LitestreamError } from '../../base/errors.ts';
import type { Settings } from '../../config/settings.ts';
import { runChild } from '../child.ts';
import { defineCommand } from '../command.ts';
import { cliCaller } from '../connect.ts';
import type { Daemon, Door } from '../door.ts';
import { splitWords } from '../exec-words.ts';
import { runOnce } from '../once.ts';
import { daemonSettings, REPLICATE_FLAGS, type ReplicateFlags } from '../replicate-settings.ts';
import { settleDatabases } from '../settling.ts';
import { type SignalSource, StopSignals } from '../signals.ts';
import { CONFIG_USAGE } from '../source.ts';
import { formatStartBlock } from '../start-block.ts';

export const replicate = defineCommand({
  name: 'replicate',
  usage: `Usage: litestream replicate [FLAGS]
       litestream replicate [FLAGS] DB_PATH REPLICA_URL...

Replicates the configured databases, or one named with its replicas. The first Ctrl-C (SIGINT, SIGTERM, SIGHUP) uploads
what is pending and stops; a second one skips that. The exit status is 5 when something did not reach a replica.

Flags:
${CONFIG_USAGE}
  -exec COMMAND     run a program while replicating and leave when it ends, with its exit status
  -once             upload everything there is, then leave
  -force-snapshot   with -once: also write a full image
  -enforce-retention
                    with -once: also merge, snapshot and delete at the replicas what is due
  -restore-if-db-not-exists
                    restore databases whose file is missing before replicating
  -log-level LEVEL  trace, debug, info, warn or error

Examples:
  litestream replicate -config litestream.yml
  litestream replicate /srv/app/app.db file:///srv/backups/app
  litestream replicate -exec "node server.js"
`,
  flags: REPLICATE_FLAGS,
  run: ({ values, positionals }, door) => runReplicate(values, positionals, door),
});

/** `source` is where signals come from. */
export async function runReplicate(
  values: ReplicateFlags,
  positionals: readonly string[],
  door: Door,
  source: SignalSource = process,
): Promise<number> {
  const settings = await daemonSettings(door, values, positionals);
  const words = settings.exec === undefined || values.once === true ? undefined : splitWords(settings.exec);
  const signals = new StopSignals(source);
  try {
    const daemon = await start(door, settings, signals);
    if (values.once === true) return await once(door, settings, daemon, signals, values);
    const asked = await announce(door, settings, daemon, signals);
    if (words !== undefined && !asked) return await withChild(door, settings, daemon, signals, words);
    if (!asked) await signals.next();
    return await stop(door, daemon, signals);
  } finally {
    signals.close();
  }
}

/** A signal while starting interrupts it. */
async function start(door: Door, settings: Settings, signals: StopSignals): Promise<Daemon> {
  const interrupt = new AbortController();
  signals.handle(() => interrupt.abort(new LitestreamError('CANCELLED', 'interrupted while starting; nothing was replicated in this run')));
  const daemon = await door.startDaemon(settings, interrupt.signal);
  if (!interrupt.signal.aborted) return daemon;
  await stop(door, daemon, signals);
  throw interrupt.signal.reason;
}

/** Prints the start-up block; true when a signal came meanwhile. */
async function announce(door: Door, settings: Settings, daemon: Daemon, signals: StopSignals): Promise<boolean> {
  let asked = false;
  signals.handle(() => {
    asked = true;
  });
  try {
    const call = { caller: cliCaller(), signal: new AbortController().signal };
    const { databases } = await daemon.control.call('databases', { limit: 500 }, call);
    // Machines read JSON lines; the block is for people.
    const stream = settings.logging.type === 'json' || settings.logging.stderr ? door.stderr : door.stdout;
    stream.write(formatStartBlock(settings, daemon.addresses, databases));
  } catch (error) {
    await stop(door, daemon, signals);
    throw error;
  }
  return asked;
}

/** A stop that takes longer says what it does, ms. */
const PATIENCE_MS = 1_500;

/** Flushes and stops; a further signal skips what is waiting. Exit status 0, or NOT_REPLICATED naming what did not arrive. */
async function stop(door: Door, daemon: Daemon, signals: StopSignals): Promise<number> {
  signals.handle(() => {
    door.stderr.write('Skipping what is not uploaded yet\n');
    daemon.stop().catch(() => {});
  });
  const patience = setTimeout(() => door.stderr.write('Uploading what is pending; press Ctrl-C again to skip it\n'), PATIENCE_MS);
  const left = await daemon.stop().finally(() => clearTimeout(patience));
  if (left.length === 0) return EXIT.ok;
  const lines = left.map(({ database, replica, error }) => `  ${database}: ${replica}: ${error}`);
  throw new LitestreamError('NOT_REPLICATED', `stopped with changes that did not reach a replica:\n${lines.join('\n')}`, {
    hint: 'What was captured is kept beside the database; the next start captures the rest and uploads everything.',
  });
}

async function once(door: Door, settings: Settings, daemon: Daemon, signals: StopSignals, values: ReplicateFlags): Promise<number> {
  const interrupt = new AbortController();
  signals.handle(() => interrupt.abort(new LitestreamError('CANCELLED', 'interrupted before everything was uploaded')));
  try {
    const call = { caller: cliCaller(), signal: interrupt.signal };
    door.stdout.write(await runOnce(daemon.control, settings, call, values['force-snapshot'] === true));
    if (values['enforce-retention'] === true) await daemon.maintain(interrupt.signal);
  } catch (error) {
    // A replica that refused long enough is not asked for as long again.
    const stopping = stop(door, daemon, signals);
    if (hasCode(error, 'NOT_REPLICATED')) daemon.stop().catch(() => {});
    await stopping;
    throw error;
  }
  return stop(door, daemon, signals);
}

const SHORTEST_SETTLING_MS = 5_000;

/** The child's exit status when its last changes are replicated, 5 otherwise; the final sync is never skipped because of how it ended. */
async function withChild(
  door: Door,
  settings: Settings,
  daemon: Daemon,
  signals: StopSignals,
  words: readonly [string, ...string[]],
): Promise<number> {
  const limitMs = Math.max(SHORTEST_SETTLING_MS, settings.shutdown.timeoutMs);
  const interrupt = new AbortController();
  signals.handle(() => interrupt.abort(new LitestreamError('CANCELLED', 'interrupted before the program was started')));
  let status: number;
  let unopened: readonly { readonly path: string }[] = [];
  try {
    await settleDatabases(daemon.control, { signal: interrupt.signal, limitMs });
    status = await runChild(words, signals, { env: { ...door.env }, terminal: door.stdin.isTTY === true });
    signals.handle(() => interrupt.abort(new LitestreamError('CANCELLED', 'interrupted before the last changes were captured')));
    // A short-lived child may have created its database a moment ago.
    unopened = await settleDatabases(daemon.control, { signal: interrupt.signal, limitMs });
  } catch (error) {
    await stop(door, daemon, signals);
    throw error;
  }
  await stop(door, daemon, signals);
  if (unopened.length === 0) return status;
  throw new LitestreamError('NOT_REPLICATED', `these databases were not opened in time: ${unopened.map(({ path }) => path).join(', ')}`);
}
