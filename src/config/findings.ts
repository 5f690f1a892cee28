/** Collects what there is to say about a configuration: everything that is wrong or doubtful, so that a person sees all of it at once. */

import { LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import type { Finding } from './settings.ts';

/** Where a value stands. */
export interface Place {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
  /** Such as `dbs[0].replica.path`; empty for the document itself. */
  readonly key: string;
}

export class Findings {
  readonly #list: Finding[] = [];
  readonly #once = new Set<string>();
  readonly #origins: Record<string, string> = {};
  readonly #reasons: { readonly key: string; readonly finding: Finding }[] = [];

  error(at: Place, message: string): void {
    this.#add('error', at, message);
  }

  warning(at: Place, message: string): void {
    this.#add('warning', at, message);
  }

  /** Worth knowing, and nothing is wrong with it: strict mode lets it pass. */
  info(at: Place, message: string): void {
    this.#add('info', at, message);
  }

  /** A warning because of which the entry or replica at `of` must not be used as it stands. */
  unusable(of: Place, at: Place, message: string): void {
    this.warning(at, message);
    this.#reasons.push({ key: of.key, finding: asFinding('warning', at, message) });
  }

  /** Why what stands at `key`, or something below it, must not be used: errors, and what was called unusable. */
  reasonsAt(key: string): { readonly errors: readonly Finding[]; readonly others: readonly Finding[] } {
    return {
      errors: inOrder(this.#list.filter((finding) => finding.severity === 'error' && isBelow(finding.key, key))),
      others: this.#reasons.filter((reason) => isBelow(reason.key, key)).map(({ finding }) => finding),
    };
  }

  /** The errors at `key` and below it stand in nobody else's way. */
  demote(key: string): void {
    for (const [index, finding] of this.#list.entries())
      if (finding.severity === 'error' && isBelow(finding.key, key)) this.#list[index] = { ...finding, severity: 'warning' };
  }

  /** The value at a canonical key path does not stand in the file: `url`, or the variable it is from. */
  origin(key: string, from: string): void {
    this.#origins[key] = from;
  }

  get origins(): Readonly<Record<string, string>> {
    return this.#origins;
  }

  /** The first one per `topic` only, such as one variable used in many values. */
  warnOnce(topic: string, at: Place, message: string): void {
    if (this.#once.has(topic)) return;
    this.#once.add(topic);
    this.warning(at, message);
  }

  get list(): readonly Finding[] {
    return inOrder(this.#list);
  }

  /** Throws CONFIG_INVALID naming everything that stands in the way: errors, and in strict mode warnings too. */
  throwIfAny(source: string, strict: boolean): void {
    const blocking = this.list.filter(({ severity }) => severity === 'error' || (strict && severity === 'warning'));
    if (blocking.length === 0) return;
    const many = blocking.length === 1 ? '1 problem' : `${blocking.length} problems`;
    const lines = blocking.map((finding) => `  ${formatFinding(finding)}`);
    const why = strict && blocking.some((finding) => finding.severity === 'warning') ? ' (strict mode)' : '';
    throw new LitestreamError('CONFIG_INVALID', `${source} has ${many}${why}:\n${lines.join('\n')}`, {
      details: { findings: this.list },
    });
  }

  /** A global value that is wrong for every replica is told once. */
  #add(severity: Finding['severity'], at: Place, message: string): void {
    const finding = asFinding(severity, at, message);
    const line = formatFinding(finding);
    if (this.#list.every((known) => formatFinding(known) !== line)) this.#list.push(finding);
  }
}

const asFinding = (severity: Finding['severity'], { key, ...position }: Place, message: string): Finding => ({
  severity,
  message: redact(message),
  ...position,
  ...(key === '' ? {} : { key }),
});

const inOrder = (findings: readonly Finding[]): readonly Finding[] =>
  findings.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));

const isBelow = (key: string | undefined, above: string): boolean =>
  key?.startsWith(above) === true && /^(?:$|[.[])/.test(key.slice(above.length));

/** Such as `litestream.yml:12:5: dbs[0].replca: unknown key, did you mean "replica"?`. */
export function formatFinding(finding: Finding): string {
  const position = [finding.file, finding.line, finding.column].filter((part) => part !== undefined).join(':');
  return [position, finding.key, finding.message].filter((part) => part !== undefined && part !== '').join(': ');
}
