import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { type CommandName, SUMMARIES } from '../../src/cli/summaries.ts';
import { headings, readPage, section, tableRows } from './document.ts';

const page = readPage('cli.md');
const names = Object.keys(SUMMARIES) as CommandName[];

/** Flags in the list of a help text. */
const printedFlags = (usage: string): string[] => [...usage.matchAll(/^ {2}(-[a-z-]+)/gm)].map(([, flag = '']) => flag);

/** Flags in the first column of a section's table. */
const documentedFlags = (text: string): string[] => tableRows(text).flatMap(([cell = '']) => cell.match(/(?<=`)-[a-z-]+/g) ?? []);

describe('docs/cli.md', () => {
  test('has a section for each command, and for no other', () => {
    const sections = headings(page, 2).filter((title) => /^[a-z]+$/.test(title));
    expect([...sections].sort()).toEqual([...names].sort());
  });

  test.each(names)('%s: the flags and the usage lines are those of its help', async (name) => {
    const { usage } = await COMMANDS[name]();
    const text = section(page, 2, name);
    expect(documentedFlags(text).sort()).toEqual(printedFlags(usage).sort());
    const lines = usage.slice('Usage:'.length, usage.indexOf('\n\n')).split('\n');
    for (const line of lines) expect(text).toContain(`\n${line.trim()}\n`);
  });
});
