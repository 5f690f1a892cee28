/** One replica of a configuration as its store and what is said about it. */

import { hasCode } from '../../../src/base/errors.ts';
import { formatFinding } from '../../../src/config/findings.ts';
import { settingsForArguments, settingsFromText } from '../../../src/config/load.ts';
import type { Finding, Settings } from '../../../src/config/settings.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';

type Env = Record<string, string>;

export interface Resolved {
  readonly store?: StoreSpec;
  /** `SEVERITY KEY: MESSAGE`. */
  readonly findings: readonly string[];
  readonly settings?: Settings;
}

/** The one replica with these keys, in flow form, and top-level lines. No known_hosts is looked for outside of `HOME`. */
export function resolved(keys: string, top = '', env: Env = {}, strict = false): Resolved {
  const text = `${top}\ndbs:\n  - path: /srv/app.db\n    replicas:\n      - {${keys}}\n`;
  try {
    const settings = settingsFromText(text, 'c.yml', { expandEnv: true, strict }, { HOME: '/nowhere', ...env });
    const [replica] = settings.databases[0]?.replicas ?? [];
    return { settings, findings: settings.findings.map(line), ...(replica === undefined ? {} : { store: replica.store }) };
  } catch (error) {
    if (!hasCode(error, 'CONFIG_INVALID')) throw error;
    return { findings: ((error.details?.findings ?? []) as Finding[]).map(line) };
  }
}

/** The store of a URL in a file. Throws with what is wrong. */
export function storeOfURL(url: string, env: Env = {}): StoreSpec {
  const { store, findings } = resolved(`url: '${url}'`, '', env);
  const errors = findings.filter((text) => text.startsWith('error'));
  if (store === undefined || errors.length > 0) throw new Error(errors.join('\n'));
  return store;
}

/** The same where the URL stands on a command line. */
export function storeOfArgument(url: string, env: Env = {}): StoreSpec | undefined {
  return settingsForArguments('/srv/app.db', [url], { HOME: '/nowhere', ...env }).databases[0]?.replicas[0]?.store;
}

const line = (finding: Finding): string =>
  `${finding.severity} ${formatFinding({ ...finding, message: finding.message }).replace(/^c\.yml:\d+:\d+: /, '')}`;
