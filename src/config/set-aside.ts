/**
 * Entries of `dbs` that cannot be used as they are written: without `strict` they are disabled and the others run (docs/configuration.md,
 * Databases that are disabled).
 */

import { basename, dirname, extname, join } from 'node:path';
import type { ErrorData } from '../base/errors.ts';
import { blanksOf, reportBlanks } from './blanks.ts';
import type { DatabaseDraft } from './database-draft.ts';
import { type DirectoryDraft, isDirectory } from './directories.ts';
import type { ConfigNode, MapNode } from './document.ts';
import { type Findings, formatFinding } from './findings.ts';
import { shortName } from './names.ts';
import type { Finding } from './settings.ts';

const HINT = 'Mend the configuration and restart litestream; "litestream config check" shows everything that is wrong with it.';

/** An entry that cannot be used. */
export interface SetAside {
  readonly node: MapNode;
  /** As people see it: the path of the database, `DIR/PATTERN` of a directory, or what is written where that says neither. */
  readonly path: string;
  /** Of a database whose place is known, with the replicas that nothing is said against. */
  readonly draft?: DatabaseDraft;
  readonly reason: ErrorData;
  /** It was written wrong; otherwise something is missing, such as a variable that another environment may have. */
  readonly isWrong: boolean;
}

/** Why an entry cannot be used; undefined when nothing stands in its way, or when it cannot even be named and remains an error of the whole. */
export function judge(
  node: MapNode,
  draft: DatabaseDraft | DirectoryDraft | undefined,
  root: MapNode,
  findings: Findings,
): SetAside | undefined {
  reportBlanks(node, root, findings);
  const { errors, others } = findings.reasonsAt(node.at.key);
  // What is missing is most often why something is wrong.
  const [first, ...more] = [...others, ...errors];
  const path = first && (hiddenPath(node) ?? pathOf(node, draft));
  if (first === undefined || path === undefined) return undefined;
  const place = draft !== undefined && 'path' in draft && hiddenPath(node) === undefined ? { draft: withoutDoubtful(draft, findings) } : {};
  return { node, path, ...place, reason: reasonOf(first, more.length), isWrong: others.length === 0 };
}

/** What is written, where a variable that is not set hides which file or directory is meant. */
export function hiddenPath({ entries }: MapNode): string | undefined {
  const [path, other] = [blanksOf(entries.get('path')), blanksOf(entries.get('meta-path'))];
  return path?.source ?? blanksOf(entries.get('dir'))?.source ?? (other && textOf(entries.get('path')));
}

/** Only replicas that nothing is said against have a place that can be compared with others. */
function withoutDoubtful(draft: DatabaseDraft, findings: Findings): DatabaseDraft {
  return { ...draft, replicas: draft.replicas.filter(({ at }) => findings.reasonsAt(at.key).others.length === 0) };
}

function pathOf({ entries }: MapNode, draft: DatabaseDraft | DirectoryDraft | undefined): string | undefined {
  if (draft !== undefined) return 'path' in draft ? draft.path : join(draft.place.dir, draft.place.pattern);
  return textOf(entries.get('path')) ?? textOf(entries.get('dir'));
}

const textOf = (node: ConfigNode | undefined): string | undefined => (node?.kind === 'scalar' && node.text !== '' ? node.text : undefined);

function reasonOf(first: Finding, more: number): ErrorData {
  const others = more === 0 ? '' : ` (and ${more} more)`;
  return { code: 'CONFIG_INVALID', message: `${formatFinding(first)}${others}`, hint: HINT };
}

/** A short name that nobody has. */
export function freeName({ path, node }: SetAside, taken: ReadonlySet<string>): string {
  const wanted = shortName(isDirectory(node) ? basename(dirname(path)) : basename(path, extname(path)));
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
  return name;
}
