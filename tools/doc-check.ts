/** Holds the documentation together: `node tools/doc-check.ts [FOLDER]`, exit status 1 when something is wrong. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SUMMARIES } from '../src/cli/summaries.ts';

export interface DocProblem {
  /** Path below the checked folder, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly problem: string;
}

interface Line {
  readonly number: number;
  readonly text: string;
  /** Inside a fenced block. */
  readonly fenced: boolean;
}

const COMMAND_WORDS: ReadonlySet<string> = new Set([...Object.keys(SUMMARIES), 'help', 'wal']);
const CODE_FOLDERS = ['src', 'test', 'tools'] as const;
/** Looks for what must not be cited, so it would find itself. */
const EXEMPT = /^(?:tools\/doc-check|test\/docs\/doc-check\.test)\.ts$/;

/** Everything that is wrong below `root`, by file and line: links, citations in code, commands that do not exist, decisions without an entry. */
export function checkDocs(root: string): DocProblem[] {
  const pages = [...markdownIn(root, '.', false), ...markdownIn(root, 'docs', true)];
  const code = CODE_FOLDERS.flatMap((folder) => filesIn(root, folder, /\.ts$/)).filter((file) => !EXEMPT.test(file));
  return [...pages.flatMap((file) => checkPage(root, file)), ...code.flatMap((file) => checkCode(root, file)), ...checkIndex(root)];
}

function checkPage(root: string, file: string): DocProblem[] {
  return linesOf(root, file).flatMap(({ number, text, fenced }) => {
    const at = (problem: string): DocProblem => ({ file, line: number, problem });
    const code = fenced ? [text] : (text.match(/`[^`]+`/g) ?? []);
    const words = code.flatMap((span) =>
      [...span.matchAll(/(?:^|[`\s"])litestream ([a-z][a-z-]*)(?![a-z:/])/g)].map(([, word = '']) => word),
    );
    const links = fenced ? [] : [...text.replace(/`[^`]+`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    return [
      ...words.filter((word) => !COMMAND_WORDS.has(word)).map((word) => at(`there is no command "litestream ${word}"`)),
      ...links.flatMap((target) => brokenLink(root, file, target) ?? []).map(at),
      ...missingDecisions(root, text).map(at),
      ...absentDocuments(text).map(at),
    ];
  });
}

function checkCode(root: string, file: string): DocProblem[] {
  return linesOf(root, file).flatMap(({ number, text }) => {
    const cited = [...text.matchAll(/\b(docs\/[\w/-]+\.md)(?:, ([^;)]+))?/g)].flatMap(
      ([, page = '', rest]) => brokenCitation(root, page, rest) ?? [],
    );
    return [...cited, ...missingDecisions(root, text), ...absentDocuments(text)].map((problem) => ({ file, line: number, problem }));
  });
}

/** A page and, after a comma, how the heading of a section begins. */
function brokenCitation(root: string, page: string, rest: string | undefined): string | undefined {
  if (!existsSync(join(root, page))) return `${page} does not exist`;
  if (rest === undefined || !/^[A-Za-z]/.test(rest) || /^(?:docs\/|which )/.test(rest)) return undefined;
  const known = headingsOf(root, page).some((heading) => rest.startsWith(heading));
  return known ? undefined : `${page} has no section "${rest.trim()}"`;
}

function brokenLink(root: string, file: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const page = path === '' ? file : slashes(join(dirname(file), path));
  if (!existsSync(join(root, page))) return `the link ${target} leads nowhere`;
  if (anchor === undefined || headingsOf(root, page).some((heading) => anchorOf(heading) === anchor)) return undefined;
  return `the link ${target} leads to no heading`;
}

/** Decisions are cited by number. */
function missingDecisions(root: string, text: string): string[] {
  const numbers = [...text.matchAll(/\bdecisions? (\d+)(?: and (\d+))?/g)].flatMap(([, first, second]) => [first, second]);
  return numbers.flatMap((number) => {
    if (number === undefined || decisionFiles(root).some((name) => name.startsWith(`${number.padStart(4, '0')}-`))) return [];
    return [`there is no decision ${number} in docs/decisions`];
  });
}

/** Documents outside of the repository: sections by sign, and the names of what was written before the code. */
function absentDocuments(text: string): string[] {
  const found: string[] = [];
  if (text.includes('§')) found.push('a section is cited by its heading, not by "§"');
  const names = /(?<![\w/-])(?:format|backends|dependencies|style|design)\.md\b|\bdesign decision/i.exec(text);
  if (names !== null) found.push(`"${names[0]}" is not in the repository`);
  return found;
}

function checkIndex(root: string): DocProblem[] {
  const file = 'docs/decisions/README.md';
  const index = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '';
  return decisionFiles(root)
    .filter((name) => !index.includes(`](${name})`))
    .map((name) => ({ file, line: 1, problem: `${name} is not in the index` }));
}

function decisionFiles(root: string): string[] {
  const folder = join(root, 'docs', 'decisions');
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^\d{4}-.*\.md$/.test(name)) : [];
}

const headingsOf = (root: string, page: string): string[] =>
  linesOf(root, page).flatMap(({ text, fenced }) => (fenced ? [] : (/^#+ (.+)$/.exec(text)?.[1] ?? [])));

/** As code hosts make them: lower case, punctuation gone, blanks to hyphens. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

function linesOf(root: string, file: string): Line[] {
  let fenced = false;
  return readFileSync(join(root, file), 'utf8')
    .split('\n')
    .map((text, index) => {
      const fence = file.endsWith('.md') && /^\s*```/.test(text);
      if (fence) fenced = !fenced;
      return { number: index + 1, text, fenced: fenced || fence };
    });
}

const markdownIn = (root: string, folder: string, deep: boolean): string[] =>
  filesIn(root, folder, /\.md$/).filter((file) => deep || basename(file) === file);

function filesIn(root: string, folder: string, wanted: RegExp): string[] {
  const start = join(root, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: folder !== '.', withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => slashes(relative(root, join(entry.parentPath, entry.name))))
    .sort();
}

const slashes = (path: string): string => path.split(sep).join('/');

if (import.meta.main) {
  const problems = checkDocs(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
  for (const { file, line, problem } of problems) console.error(`${file}:${line}: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
