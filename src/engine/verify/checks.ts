/** What a verification looked at, and what follows from it. */

export type Outcome = 'passed' | 'failed' | 'inconclusive';

export interface Check {
  /**
   * `chain`: files lead to the target without a gap. `checksums`: every file of the chain is whole. `integrity`: SQLite finds nothing wrong.
   * `pages`: every page equals the live database's.
   */
  readonly name: 'chain' | 'checksums' | 'integrity' | 'pages';
  readonly outcome: Outcome;
  readonly detail: string;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly checks: readonly Check[];
  /** Why it did not pass. */
  readonly reason?: string;
}

const NAMES: readonly Check['name'][] = ['chain', 'checksums', 'integrity', 'pages'];

export class Checks {
  readonly #made = new Map<Check['name'], Check>();

  note(name: Check['name'], outcome: Outcome, detail: string): void {
    this.#made.set(name, { name, outcome, detail });
  }

  outcomeOf(name: Check['name']): Outcome | undefined {
    return this.#made.get(name)?.outcome;
  }

  /** Failed when one check failed, inconclusive when one could not be made; a missing page check counts only where pages were to be compared. */
  verdict({ pagesCount }: { readonly pagesCount: boolean }): Verdict {
    const checks = NAMES.map((name) => this.#made.get(name) ?? { name, outcome: 'inconclusive' as const, detail: 'not reached' });
    const failed = checks.find((check) => check.outcome === 'failed');
    const open = checks.find((check) => check.outcome === 'inconclusive' && (check.name !== 'pages' || pagesCount));
    const decisive = failed ?? open;
    if (decisive === undefined) return { outcome: 'passed', checks };
    return { outcome: decisive.outcome, checks, reason: decisive.detail };
  }
}
