/** Writes lines of the Prometheus text format onto a page. */

import type { Page } from './page.ts';

/** Ends the labels of a line that has no more of them. */
const CLOSE = '} ';

/** The same with one more label in front. */
export const closing = (label: string, value: string): string => `,${label}="${escapeLabel(value)}"} `;

export class Lines {
  readonly #page: Page;
  #head = '';

  constructor(page: Page) {
    this.#page = page;
  }

  /** The lines that follow are of this metric. */
  begin(name: string, type: string, help: string): void {
    this.#page.text(`\n# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    this.use(headOf(name));
  }

  /** The lines that follow begin with what `headOf` has made. */
  use(head: string): void {
    this.#head = head;
  }

  /** @param close what `closing` has made. */
  add(database: { readonly path: string }, replica: { readonly name: string } | undefined, value: number, close = CLOSE): void {
    const page = this.#page;
    page.text(this.#head);
    page.text(escapeLabel(database.path));
    if (replica !== undefined) {
      page.text('",replica="');
      page.text(escapeLabel(replica.name));
    }
    page.text('"');
    page.text(close);
    page.text(numberText(value));
    page.text('\n');
  }
}

/** How lines of a metric, or of a part of a histogram, begin. */
export const headOf = (name: string): string => `${name}{db="`;

const SPECIAL = /[\\"\n]/;

function escapeLabel(value: string): string {
  return SPECIAL.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : `${value}`;
}
