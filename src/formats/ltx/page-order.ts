/** Which page may follow which in an LTX file: one rule for those who write and those who read (docs/formats/ltx.md, Page frames). */

import { lockPage } from '../sqlite/page-size.ts';

export interface PageOrderRule {
  readonly pageSize: number;
  /** Largest page number allowed. */
  readonly commit: number;
  /** Every page in (`after`, `upTo`] except the lock page has to come. */
  readonly required: { readonly after: number; readonly upTo: number };
}

export interface PageProblem {
  readonly kind: 'missing' | 'out-of-order' | 'beyond-commit' | 'lock-page';
  /** The page that is missing or must not be here. */
  readonly pgno: number;
  readonly text: string;
}

export class PageOrder {
  readonly #commit: number;
  readonly #lockPage: number;
  readonly #upTo: number;
  /** First required page that has not come yet. */
  #next: number;
  #last = 0;

  constructor(rule: PageOrderRule) {
    this.#commit = rule.commit;
    this.#lockPage = lockPage(rule.pageSize);
    this.#upTo = rule.required.upTo;
    this.#next = this.#skipLock(rule.required.after + 1);
  }

  /** Takes pages `first` … `first + count − 1`, or says why they may not follow; then nothing has changed. */
  add(first: number, count: number): PageProblem | undefined {
    const found = this.check(first, count);
    if (found === undefined) this.accept(first, count);
    return found;
  }

  /** Why these pages may not follow; undefined when they may. */
  check(first: number, count: number): PageProblem | undefined {
    const last = first + count - 1;
    if (first <= this.#last) return problem('out-of-order', first, `page ${first} after page ${this.#last}`);
    if (last > this.#commit) return problem('beyond-commit', last, `page ${last} in a database of ${this.#commit} pages`);
    if (first <= this.#lockPage && last >= this.#lockPage) return problem('lock-page', this.#lockPage, `the lock page ${this.#lockPage}`);
    if (first > this.#next && this.#next <= this.#upTo) return this.#missing();
    return undefined;
  }

  /** Takes pages that `check` has allowed. */
  accept(first: number, count: number): void {
    this.#last = first + count - 1;
    if (this.#last >= this.#next) this.#next = this.#skipLock(this.#last + 1);
  }

  /** No more pages come: the first required one that never did. */
  finish(): PageProblem | undefined {
    return this.#next <= this.#upTo ? this.#missing() : undefined;
  }

  #missing(): PageProblem {
    return problem('missing', this.#next, `page ${this.#next} is missing (last page ${this.#last}, required up to ${this.#upTo})`);
  }

  #skipLock(pgno: number): number {
    return pgno === this.#lockPage ? pgno + 1 : pgno;
  }
}

const problem = (kind: PageProblem['kind'], pgno: number, text: string): PageProblem => ({ kind, pgno, text });

/** What a header alone requires: every page in a file from TXID 1, none otherwise. */
export const requiredPages = (header: { readonly minTXID: bigint; readonly commit: number }): PageOrderRule['required'] =>
  header.minTXID === 1n ? { after: 0, upTo: header.commit } : { after: 0, upTo: 0 };
