/** Where a command's verbs run: in the daemon that owns the databases, or beside it. */

import { userInfo } from 'node:os';
import { hasCode, LitestreamError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import { type Caller, SCOPES } from '../control/caller.ts';
import type { Control } from '../control/control.ts';
import type { Progress } from '../control/progress.ts';
import type { CallContext } from '../control/verb.ts';
import type { Door } from './door.ts';

/** `live`: a silent daemon is an error. `storage`: the replicas tell enough without it. `offline`: never the daemon. `daemon`: only the daemon. */
export type Reach = 'live' | 'storage' | 'offline' | 'daemon';

/** Opens a control, runs `work` and closes it. SIGINT and SIGTERM abort the work. */
export async function withControl<T>(
  door: Door,
  settings: Settings,
  reach: Reach,
  work: (control: Control, call: CallContext) => Promise<T>,
  options: { readonly progress?: (progress: Progress) => void; readonly timeoutMs?: number } = {},
): Promise<T> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort(new LitestreamError('CANCELLED', 'interrupted'));
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => interrupt.abort(timeout(options.timeoutMs)), options.timeoutMs);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const control = await open(door, settings, reach);
    try {
      const call = {
        caller: cliCaller(),
        signal: interrupt.signal,
        ...(options.progress === undefined ? {} : { progress: options.progress }),
      };
      return await work(control, call);
    } finally {
      await control.close();
    }
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

const timeout = (ms: number | undefined): LitestreamError =>
  new LitestreamError('TIMEOUT', `no answer within ${(ms ?? 0) / 1000} s`, { hint: 'Give it longer with -timeout SECONDS.' });

async function open(door: Door, settings: Settings, reach: Reach): Promise<Control> {
  if (reach === 'offline') return door.offline(settings);
  try {
    const attached = await door.attach(settings);
    if (attached !== undefined) return attached;
  } catch (error) {
    if (reach !== 'storage' || !hasCode(error, 'DAEMON_UNREACHABLE')) throw error;
    door.stderr.write('Warning: the running litestream does not answer; reading the replicas without it\n');
  }
  if (reach === 'daemon') {
    throw new LitestreamError('DAEMON_NOT_RUNNING', 'no litestream is replicating these databases', {
      hint: `litestream replicate${settings.configPath === undefined ? '' : ` -config ${settings.configPath}`}`,
    });
  }
  return door.offline(settings);
}

/** The person at this terminal. */
export function cliCaller(): Caller {
  return { principal: `cli:${userName()}`, door: 'cli', scopes: SCOPES, readOnly: false, operator: true };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
