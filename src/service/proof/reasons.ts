/** Why a verification did not pass, in whole sentences. */

import { type ErrorData, LitestreamError } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';
import type { Check } from '../../engine/verify/checks.ts';
import type { VerifyResult } from '../../engine/verify/verify.ts';

const LEADS: Readonly<Record<Check['name'], { readonly failed: string; readonly inconclusive: string }>> = {
  chain: {
    failed: 'The files do not lead to the newest state',
    inconclusive: 'Whether the files lead to the newest state could not be said',
  },
  checksums: { failed: 'A file is not what was written', inconclusive: 'Not every file could be read' },
  integrity: { failed: 'SQLite finds the restored database damaged', inconclusive: 'SQLite has not checked the restored database' },
  pages: {
    failed: 'The restored pages are not those of the live database',
    inconclusive: 'The restored pages could not be compared with the live database',
  },
};

/** Empty when it passed; the first one says what decided. */
export function reasonsOf({ outcome, checks, reason }: VerifyResult): string[] {
  if (outcome === 'passed') return [];
  const decisive = checks.filter((check) => check.outcome === outcome && check.detail !== 'not reached');
  // Without live pages their comparison is missing, which by itself decides nothing.
  const told = decisive.filter((check) => outcome === 'failed' || check.detail === reason);
  const sentences = told.map(({ name, detail }) => sentence(`${LEADS[name][outcome]}: ${redact(detail)}`));
  return sentences.length > 0 ? sentences : [sentence(redact(reason ?? 'It is not known why'))];
}

/** A verification that could not be made. */
export function reasonOfError({ code, message }: ErrorData): string {
  return sentence(`The replica could not be verified (${code}): ${redact(message)}`);
}

/** The standing trouble of a replica whose newest decisive verification failed. */
export function failedProof(destination: string, reasons: readonly string[]): LitestreamError {
  return new LitestreamError('PROOF_FAILED', `the replica at ${destination} does not restore as it should: ${reasons.join(' ')}`, {
    hint: 'Nothing there is deleted by itself. See `litestream verify`, then let `litestream repair` take whole files from another replica or write a new snapshot; the next verification that passes ends this.',
  });
}

const sentence = (text: string): string => {
  const upper = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(upper) ? upper : `${upper}.`;
};
