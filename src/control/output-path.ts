/** Decides whether a restore proposed by a model may create the file it names (docs/mcp.md, A restore takes two calls). */

import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { type AllowedDirectories, type AllowedDirectory, allowedFor } from './allowed-directories.ts';
import { factsOf, type Identity, identityOf, realPathOf, sameIdentity } from './file-identity.ts';
import { checkOutputText, notAllowed, suggestOutputName } from './output-name.ts';
import { isProtected, readProtected, withSideFiles } from './protected-paths.ts';

export interface OutputRules {
  readonly allowed: AllowedDirectories;
  readonly entries: readonly DatabaseEntry[];
  /** Configuration, tokens, audit log. */
  readonly protectedPaths: readonly string[];
}

/** A file that does not exist, in a directory that does. */
export interface OutputTarget {
  /** Absolute; the parent holds no links. */
  readonly path: string;
  readonly parent: Identity;
  readonly allowed: AllowedDirectory;
}

/** Applies every rule to `text`. OUTPUT_NOT_ALLOWED (valid: the allowed directories) or OUTPUT_EXISTS. */
export async function resolveOutput(text: string, rules: OutputRules): Promise<OutputTarget> {
  checkOutputText(text);
  const directories = await rules.allowed.usable();
  const valid = directories.map(({ configured }) => configured);
  const asked = path.isAbsolute(text) ? text : path.join((await rules.allowed.first()).real, text);
  const parent = await realPathOf(path.dirname(asked));
  if (parent === undefined) throw notAllowed('its directory does not exist', valid);
  const allowed = allowedFor(directories, parent);
  if (allowed === undefined) throw notAllowed('it lies outside the allowed restore directories', valid);
  const output = path.join(parent, path.basename(asked));
  const parentFacts = await factsOf(parent);
  if (!parentFacts?.isDirectory()) throw notAllowed('its directory is not a directory', valid);
  if (await isProtected(output, await readProtected(rules.entries, rules.protectedPaths))) {
    throw notAllowed('it belongs to a database, a replica, or the program itself', valid);
  }
  await refuseExisting(output);
  return { path: output, parent: { dev: parentFacts.dev, ino: parentFacts.ino }, allowed };
}

/** A free name for the state `txid` of `database` in the first allowed directory. */
export async function suggestOutput(database: string, txid: string, rules: OutputRules): Promise<OutputTarget> {
  const { real } = await rules.allowed.first();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await resolveOutput(path.join(real, suggestOutputName(database, txid, attempt)), rules);
    } catch (error) {
      if (!(error instanceof LitestreamError && error.code === 'OUTPUT_EXISTS') || attempt === 100) throw error;
    }
  }
}

/** The rules once more before acting; PLAN_CHANGED when the directory is no longer the one that was planned with. */
export async function recheckOutput(planned: OutputTarget, rules: OutputRules): Promise<OutputTarget> {
  const identity = await identityOf(path.dirname(planned.path));
  const now = identity === undefined ? undefined : await resolveOutput(planned.path, rules);
  if (now !== undefined && now.path === planned.path && sameIdentity(now.parent, planned.parent)) return now;
  throw new LitestreamError('PLAN_CHANGED', `the directory of ${planned.path} is not the one this plan was made for`, {
    details: { changed: 'output' },
    hint: 'Make a new plan with restore_plan.',
  });
}

/** A dangling link counts as existing. */
async function refuseExisting(output: string): Promise<void> {
  for (const file of withSideFiles(output)) {
    if ((await factsOf(file)) === undefined) continue;
    throw new LitestreamError('OUTPUT_EXISTS', `output: ${file} exists already`, {
      details: { argument: 'output', path: file },
      hint: 'Choose another name; a restore never replaces a file.',
    });
  }
}
