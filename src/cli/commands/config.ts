/** `litestream config check`: everything wrong or doubtful in a configuration, and what it comes to. */

import { EXIT, hasCode, LitestreamError } from '../../base/errors.ts';
import { redactDeep } from '../../base/redact.ts';
import { formatFinding } from '../../config/findings.ts';
import type { Finding, Settings } from '../../config/settings.ts';
import { defineCommand } from '../command.ts';
import type { Command, Door } from '../door.ts';
import { formatJSON } from '../json.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, type ConfigFlagValues, loadConfig } from '../source.ts';
import { SUMMARIES } from '../summaries.ts';
import { printable } from '../table.ts';

const USAGE = `Usage: litestream config check [FLAGS]

Reads the configuration, prints every finding with its place, and exits with 3 when it, or a database in it, cannot be
used.

Flags:
${CONFIG_USAGE}
  -print            print the resolved configuration with the origin of each value; secrets are masked
  -json             print JSON

Examples:
  litestream config check -config litestream.yml
  litestream config check -strict -print
`;

/** The word comes before the flags, so it is taken off first. */
export const config: Command = {
  name: 'config',
  summary: SUMMARIES.config,
  usage: USAGE,
  async run([word, ...args], door) {
    if (word === 'check' || word === '-h' || word === '-help' || word === '--help')
      return check.run(word === 'check' ? args : ['-h'], door);
    throw new LitestreamError('USAGE', word === undefined ? 'config needs a word: check' : `config has no "${word}"`, {
      hint: 'litestream config check',
    });
  },
};

const check = defineCommand({
  name: 'config',
  usage: USAGE,
  flags: { ...CONFIG_FLAGS, print: 'bool', json: 'bool' },
  async run({ values, positionals }, door) {
    if (positionals.length > 0)
      throw new LitestreamError('USAGE', `too many arguments: ${positionals.join(' ')}`, { hint: 'litestream config check -config FILE' });
    const { settings, findings, error } = await examine(door, values);
    const disabled = settings?.disabled ?? [];
    const isUsable = error === undefined && disabled.length === 0 && findings.every(({ severity }) => severity !== 'error');
    if (values.json === true) {
      const resolved = values.print === true && settings !== undefined ? { settings: visible(settings) } : {};
      const aside = disabled.map(({ settings: { name, path }, reason }) => ({ name, path, ...reason }));
      door.stdout.write(formatJSON({ ok: isUsable, findings, ...(aside.length === 0 ? {} : { disabled: aside }), ...resolved }));
    } else {
      // Behind a #, what is printed can be read back as it is.
      const mark = values.print === true ? '# ' : '';
      for (const finding of findings) door.stdout.write(`${mark}${finding.severity}: ${formatFinding(finding)}\n`);
      if (settings !== undefined) {
        for (const one of disabled)
          door.stdout.write(`${mark}disabled: ${one.settings.name} (${printable(one.settings.path)}): ${one.reason.message}\n`);
        door.stdout.write(`${mark}${settings.configPath ?? 'configuration'}: ${summary(settings)}\n`);
        if (values.print === true) door.stdout.write((await import('../../config/describe.ts')).describeSettings(settings));
      }
    }
    return isUsable ? EXIT.ok : EXIT.config;
  },
});

interface Examination {
  readonly settings?: Settings;
  readonly findings: readonly Finding[];
  readonly error?: LitestreamError;
}

async function examine(door: Door, values: ConfigFlagValues): Promise<Examination> {
  try {
    const settings = await loadConfig(door, values, 'none');
    return { settings, findings: settings.findings };
  } catch (error) {
    const findings = hasCode(error, 'CONFIG_INVALID') ? error.details?.findings : undefined;
    if (!hasCode(error, 'CONFIG_INVALID') || !Array.isArray(findings)) throw error;
    return { findings: findings as readonly Finding[], error };
  }
}

function summary({ databases, disabled = [], findings, strict }: Settings): string {
  const replicas = databases.reduce((sum, entry) => sum + entry.replicas.length, 0);
  const doubtful = findings.filter(({ severity }) => severity !== 'info').length;
  const warnings = doubtful === 0 ? 'nothing doubtful' : `${doubtful} doubtful`;
  return `${databases.length} ${databases.length === 1 ? 'database' : 'databases'}, ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}, ${disabled.length === 0 ? '' : `${disabled.length} disabled, `}${warnings}${strict ? ', strict' : ''}`;
}

/** Secrets are masked; endless bounds are not JSON and become text. */
function visible(settings: Settings): unknown {
  const plain: unknown = JSON.parse(
    JSON.stringify({ ...settings, findings: undefined }, (key, value: unknown) =>
      key === 'credentials' || key === 'identities' ? maskAll(value) : value === Number.POSITIVE_INFINITY ? 'unlimited' : value,
    ),
  );
  return redactDeep(plain);
}

/** The members that hold secrets in the spec of a store, by what they are called. */
function maskAll(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(() => '***');
  if (value === null || typeof value !== 'object') return '***';
  return Object.fromEntries(Object.keys(value).map((name) => [name, '***']));
}
