/** Compares a source tree with the drawing of its layers, and looks for files that import each other in a circle. */

import { readdirSync, readFileSync } from 'node:fs';
import { posix, relative, sep } from 'node:path';
import { COMMON_FILES, COMPOSITION_ROOTS, PACKAGES, ROOMS, roomOf } from './drawing.ts';
import { findImports, type Import } from './imports.ts';

export interface Violation {
  /** Path below the source folder, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

/** Everything that is wrong below `directory`, by file and line. */
export function checkLayers(directory: string): Violation[] {
  const files = new Map(sourceFiles(directory).map((path) => [path, findImports(readFileSync(`${directory}/${path}`, 'utf8'))]));
  const violations: Violation[] = [];
  for (const [file, imports] of files) {
    for (const one of imports) {
      const rule = one.specifier.startsWith('.') ? roomRule(file, one) : packageRule(file, one.specifier);
      if (rule !== undefined) violations.push({ file, line: one.line, rule });
    }
  }
  return [...violations, ...cycles(files)].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

function sourceFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(directory, `${entry.parentPath}/${entry.name}`).split(sep).join('/'))
    .filter((path) => !path.startsWith('formats/kernel/assembly/'))
    .sort();
}

const target = (file: string, specifier: string): string => posix.join(posix.dirname(file), specifier);

const isRoot = (file: string): boolean => COMPOSITION_ROOTS.some((pattern) => pattern.test(file));

function roomRule(file: string, { specifier, kind }: Import): string | undefined {
  const imported = target(file, specifier);
  if (isRoot(file) || COMMON_FILES.includes(imported) || imported.startsWith('../')) return undefined;
  if (isRoot(imported) && kind !== 'lazy') return `${imported} puts the rooms together; no room imports it`;
  const from = roomOf(file);
  const to = roomOf(imported);
  if (from === undefined) return `${file} is in no room`;
  if (to === undefined || from === to) return undefined;
  const room = ROOMS[from];
  if (room === undefined) return `there is no room "${from}" in the drawing`;
  if (room.may.includes(to) || room.files?.includes(imported) === true) return undefined;
  const isOfTypes = room.types?.some((name) => name === '*' || name === to) === true;
  if (isOfTypes && kind === 'type') return undefined;
  return `${from} may ${isOfTypes ? 'import only types of' : 'not import'} ${to} (${imported})`;
}

function packageRule(file: string, specifier: string): string | undefined {
  for (const [name, owners] of Object.entries(PACKAGES)) {
    const matches = name.endsWith('/') ? specifier.startsWith(name) : specifier === name || specifier.startsWith(`${name}/`);
    const room = roomOf(file);
    if (matches && (room === undefined || !owners.includes(room)))
      return `only ${owners.join(' and ')} may import the package ${specifier}`;
  }
  return undefined;
}

/** One violation for each circle of value imports, told at its first file. */
function cycles(files: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const found: Violation[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    path.push(file);
    for (const { specifier, kind, line } of files.get(file) ?? []) {
      if (kind !== 'value' || !specifier.startsWith('.')) continue;
      const imported = target(file, specifier);
      const start = path.indexOf(imported);
      if (start !== -1) found.push({ file, line, rule: `import cycle: ${[...path.slice(start), imported].join(' -> ')}` });
      else if (files.has(imported) && !done.has(imported)) visit(imported);
    }
    path.pop();
    done.add(file);
  };
  for (const file of files.keys()) if (!done.has(file)) visit(file);
  return found;
}
