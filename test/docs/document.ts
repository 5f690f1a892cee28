/** The documentation as data: headings, tables and fenced blocks of a page. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Text of a page below `docs`. */
export const readPage = (name: string): string => readFileSync(`${ROOT}docs/${name}`, 'utf8');

/** Texts of the headings of one level, in order. */
export function headings(page: string, level: number): string[] {
  const mark = `${'#'.repeat(level)} `;
  return withoutFences(page)
    .split('\n')
    .filter((line) => line.startsWith(mark))
    .map((line) => line.slice(mark.length).trim());
}

/** The text under a heading, up to the next one of its level or above. Throws when there is none. */
export function section(page: string, level: number, title: string): string {
  const lines = page.split('\n');
  const start = lines.indexOf(`${'#'.repeat(level)} ${title}`);
  if (start < 0) throw new Error(`there is no heading "${title}" of level ${level}`);
  const end = lines.findIndex((line, at) => at > start && /^#+ /.test(line) && line.indexOf(' ') <= level);
  return lines.slice(start + 1, end < 0 ? lines.length : end).join('\n');
}

/** Rows of every table, as cells; head and rule lines are left out. */
export function tableRows(text: string): string[][] {
  const rows: string[][] = [];
  const lines = withoutFences(text).split('\n');
  lines.forEach((line, at) => {
    if (!line.startsWith('|') || isRule(line) || isRule(lines[at + 1] ?? '')) return;
    rows.push(
      line
        .slice(1, line.lastIndexOf('|'))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
  });
  return rows;
}

const isRule = (line: string): boolean => /^\|[\s:|-]+\|$/.test(line);

export interface Fence {
  /** What stands behind the opening fence, such as `sh run`. */
  readonly info: string;
  readonly text: string;
}

export function fences(page: string): Fence[] {
  return [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({ info: info.trim(), text }));
}

function withoutFences(page: string): string {
  return page.replace(/^```.*\n[\s\S]*?^```$/gm, '');
}
