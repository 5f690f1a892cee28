/** `litestream restore -undo`: brings back what a forced restore replaced. */

import { EXIT, hasCode, LitestreamError } from '../base/errors.ts';
import { absolutePath } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { VerbOutput } from '../control/control.ts';
import { withControl } from './connect.ts';
import type { Door } from './door.ts';
import { formatJSON } from './json.ts';
import { type ConfigFlagValues, findDatabase, isReplicaURL, loadConfig } from './source.ts';
import { formatSIBytes, formatTime, printable } from './table.ts';

interface UndoFlags extends ConfigFlagValues {
  readonly o?: string;
  readonly 'dry-run'?: boolean;
  readonly json?: boolean;
}

/** What goes with -undo; everything else is about reading a replica. */
const ALLOWED = new Set(['undo', 'o', 'dry-run', 'json', 'config', 'no-expand-env', 'strict']);

interface Target {
  readonly settings: Settings;
  readonly path: string;
  readonly output: string;
}

/** Resolves with the exit status. USAGE for flags that choose what to restore. */
export async function runUndo(door: Door, values: UndoFlags, positionals: readonly string[]): Promise<number> {
  const other = Object.keys(values).find((name) => !ALLOWED.has(name));
  if (other !== undefined) throw new LitestreamError('USAGE', `-undo and -${other} exclude each other`);
  const { settings, path, output } = await findTarget(door, values, positionals);
  const dryRun = values['dry-run'] === true;
  // As with restore, a daemon could only be in the way.
  const answer = await withControl(door, settings, 'offline', (control, call) =>
    control.call('undo', { path, output, ...(dryRun ? { dry_run: true } : {}) }, call),
  );
  for (const { message } of answer.warnings ?? []) door.stderr.write(`Warning: ${message}\n`);
  door.stdout.write(values.json === true ? formatJSON(answer) : textOf(answer));
  return EXIT.ok;
}

async function findTarget(door: Door, values: UndoFlags, positionals: readonly string[]): Promise<Target> {
  const [text, ...more] = positionals;
  if (more.length > 0) throw new LitestreamError('USAGE', `too many arguments: ${more.join(' ')}`, { hint: 'litestream help restore' });
  if (text !== undefined && isReplicaURL(text)) {
    throw new LitestreamError('USAGE', '-undo takes the path of a database, not of a replica', {
      hint: 'litestream restore -undo -o /path/to/db',
    });
  }
  const output = values.o === undefined || values.o === '' ? undefined : absolutePath(values.o, door.env);
  if (text !== undefined) {
    const settings = await loadConfig(door, values, 'none');
    const { path } = (await findDatabase(settings, text, door.env)).settings;
    return { settings, path, output: output ?? path };
  }
  return output === undefined ? onlyDatabase(await loadConfig(door, values, 'none')) : byOutput(door, values, output);
}

function onlyDatabase(settings: Settings): Target {
  const [only, second] = [...settings.databases, ...(settings.disabled ?? [])];
  if (only !== undefined && second === undefined) return { settings, path: only.settings.path, output: only.settings.path };
  throw new LitestreamError('USAGE', '-undo needs to know which database: name it, or the file with -o', {
    hint: `litestream restore -undo ${only?.settings.path ?? '/path/to/db'}`,
  });
}

/** A configured database at that path has its own metadata directory; without one, or without a configuration, the usual place is looked at. */
async function byOutput(door: Door, values: UndoFlags, output: string): Promise<Target> {
  const settings = await loadConfig(door, values, 'none').catch((error: unknown) => {
    if (values.config === undefined && hasCode(error, 'CONFIG_NOT_FOUND')) return undefined;
    throw error;
  });
  const known = settings?.databases.find((entry) => entry.settings.path === output);
  if (settings !== undefined && known !== undefined) return { settings, path: output, output };
  return { settings: await door.settingsFor(output, []), path: output, output };
}

function textOf({ mode, output, from, replaced_at: since, size_bytes: size, replaced }: VerbOutput<'undo'>): string {
  const what = `${printable(output)}: the database that was replaced at ${formatTime(since)} (${formatSIBytes(size)}, ${printable(from)})`;
  if (mode === 'plan') return `Would bring back ${what}\n`;
  const kept = replaced === undefined ? '' : `What stood there is kept as ${printable(replaced)}\n`;
  return `Brought back ${what}\n${kept}`;
}
