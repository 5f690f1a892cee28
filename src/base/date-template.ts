/**
 * Text with `$(date +FORMAT)` in it, as in `backups/$(date +%Y-%m-%d)/app`: what it is at a moment, and which moment a finished text belongs to.
 *
 * No shell is ever run. Of strftime there are %Y %m %d %H %M %F %j %G %V %y and %%; the year has to be among them, so that no name ever comes again.
 */

import { LitestreamError } from './errors.ts';

/** Numbers of one moment in a time zone. */
interface DateFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

interface Directive {
  readonly digits: number;
  readonly of: (fields: DateFields) => number;
}

const DAY = 86_400_000;

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  Y: { digits: 4, of: ({ year }) => year },
  y: { digits: 2, of: ({ year }) => year % 100 },
  m: { digits: 2, of: ({ month }) => month },
  d: { digits: 2, of: ({ day }) => day },
  H: { digits: 2, of: ({ hour }) => hour },
  M: { digits: 2, of: ({ minute }) => minute },
  j: { digits: 3, of: (fields) => dayOfYear(fields) },
  G: { digits: 4, of: (fields) => isoWeek(fields).year },
  V: { digits: 2, of: (fields) => isoWeek(fields).week },
};

/** What stands for others. */
const COMPOSED: Readonly<Record<string, string>> = { F: '%Y-%m-%d' };

const COMMAND = /\$\(\s*date\s+(?:-u\s+)?(['"]?)\+([^)]*?)\1\s*\)/g;

type Part = string | { readonly directive: string };

export class DateTemplate {
  readonly text: string;
  readonly #parts: readonly Part[];
  readonly #format: Intl.DateTimeFormat;
  readonly #pattern: RegExp;

  /**
   * @param zone IANA name of the time zone, such as `UTC`.
   * Throws CONFIG_INVALID for an unknown zone, a directive that is not known, and a date without a year.
   */
  constructor(text: string, zone: string) {
    this.text = text;
    this.#parts = parse(text);
    this.#format = formatIn(zone);
    const used = new Set(this.#parts.flatMap((part) => (typeof part === 'string' ? [] : [part.directive])));
    if (!used.has('Y') && !used.has('y') && !used.has('G'))
      throw new LitestreamError('CONFIG_INVALID', `the date in "${text}" needs the year (%Y): without it the same name comes again`);
    this.#pattern = new RegExp(`^${this.#parts.map(patternOf).join('')}$`);
  }

  /** True when `text` has a date in it. */
  static isIn(text: string): boolean {
    return new RegExp(COMMAND).test(text);
  }

  /** The text at a moment, ms since the epoch. */
  at(ms: number): string {
    const fields = this.#fieldsAt(ms);
    return this.#parts.map((part) => (typeof part === 'string' ? part : written(part.directive, fields))).join('');
  }

  /** The part before the first date that ends with a slash: everything the template names lies below it. */
  get root(): string {
    const first = this.#parts[0];
    return typeof first === 'string' ? first.slice(0, first.lastIndexOf('/') + 1) : '';
  }

  /** A number that grows with the date a text was made from; undefined for a text that was not made from this template. */
  orderOf(text: string): number | undefined {
    const match = this.#pattern.exec(text);
    if (match === null) return undefined;
    const values = new Map<string, number>();
    let group = 0;
    for (const part of this.#parts) {
      if (typeof part === 'string') continue;
      group += 1;
      const value = Number(match[group]);
      if (values.has(part.directive) && values.get(part.directive) !== value) return undefined;
      values.set(part.directive, value);
    }
    return orderOfValues(values);
  }

  #fieldsAt(ms: number): DateFields {
    const found = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    const field = (name: Intl.DateTimeFormatPartTypes): number => found.get(name) ?? 0;
    return { year: field('year'), month: field('month'), day: field('day'), hour: field('hour'), minute: field('minute') };
  }
}

function formatIn(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    });
  } catch (cause) {
    throw new LitestreamError('CONFIG_INVALID', `"${zone}" is not a time zone such as UTC or Europe/Berlin`, { cause });
  }
}

function parse(text: string): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(COMMAND)) {
    parts.push(text.slice(at, match.index), ...parseFormat(match[2] ?? '', text));
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

function parseFormat(format: string, text: string): Part[] {
  const expanded = format.replaceAll(/%([%A-Za-z])/g, (whole, letter: string) => COMPOSED[letter] ?? whole);
  const parts: Part[] = [];
  let at = 0;
  for (const match of expanded.matchAll(/%(.?)/g)) {
    const [whole, letter = ''] = match;
    parts.push(expanded.slice(at, match.index));
    if (letter === '%') parts.push('%');
    else if (letter in DIRECTIVES) parts.push({ directive: letter });
    else {
      throw new LitestreamError('CONFIG_INVALID', `"${whole}" in "${text}" is not known; there are ${known()}`);
    }
    at = match.index + whole.length;
  }
  parts.push(expanded.slice(at));
  return parts;
}

const known = (): string => [...Object.keys(DIRECTIVES), ...Object.keys(COMPOSED), '%'].map((letter) => `%${letter}`).join(' ');

const patternOf = (part: Part): string =>
  typeof part === 'string' ? part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&') : `(\\d{${DIRECTIVES[part.directive]?.digits ?? 1}})`;

const written = (letter: string, fields: DateFields): string => {
  const directive = DIRECTIVES[letter];
  return directive === undefined ? '' : String(directive.of(fields)).padStart(directive.digits, '0');
};

const startOfDay = ({ year, month, day }: Pick<DateFields, 'year' | 'month' | 'day'>): number => Date.UTC(year, month - 1, day);

const dayOfYear = (fields: DateFields): number => (startOfDay(fields) - Date.UTC(fields.year, 0, 1)) / DAY + 1;

/** ISO 8601: the week of a day is that of its Thursday. */
function isoWeek(fields: DateFields): { readonly year: number; readonly week: number } {
  const today = startOfDay(fields);
  const weekday = (new Date(today).getUTCDay() + 6) % 7;
  const thursday = today + (3 - weekday) * DAY;
  const year = new Date(thursday).getUTCFullYear();
  return { year, week: Math.floor((thursday - Date.UTC(year, 0, 1)) / DAY / 7) + 1 };
}

function orderOfValues(values: ReadonlyMap<string, number>): number {
  const short = values.get('y');
  const year = values.get('Y') ?? values.get('G') ?? (short === undefined ? 0 : 2000 + short);
  const week = values.get('V');
  const day = values.get('j') ?? (week === undefined ? undefined : week * 7);
  const date = day === undefined ? Date.UTC(year, (values.get('m') ?? 1) - 1, values.get('d') ?? 1) : Date.UTC(year, 0, day);
  return date + ((values.get('H') ?? 0) * 60 + (values.get('M') ?? 0)) * 60_000;
}
