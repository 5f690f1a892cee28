/** The last upload of a replica before it is closed, and what is told of it where something is left. */

import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { withoutSlowAdvice } from '../engine/upload/failures.ts';
import type { LocalLog } from '../engine/upload/local-log.ts';
import type { Uploader } from '../engine/upload/uploader.ts';
import { formatTXID, NO_TXID } from '../formats/ltx/txid.ts';
import type { StopLimits } from './stop-limits.ts';

export interface LastUploadTools {
  readonly uploader: Uploader;
  readonly local: LocalLog;
  readonly log: Logger;
}

/**
 * Uploads what is pending, unless the limits' signal is aborted already.
 * @returns the error when something is left.
 */
export async function lastUpload(
  tools: LastUploadTools,
  { deadlineMs, retryMs, signal }: StopLimits,
): Promise<LitestreamError | undefined> {
  const { uploader, local, log } = tools;
  try {
    if (signal.aborted) return await leftBehind(tools);
    if (await isEmpty(local)) return standingFailure(uploader);
    await uploader.flush({ signal, deadlineMs, retryIntervalMs: retryMs });
    return undefined;
  } catch (error) {
    log.log('error', 'the last changes did not reach the replica', { error: errorToData(error) });
    return unreplicated(uploader, error);
  }
}

/** A failure that stands, to be thrown, with what follows from it. */
export function failureOf({ code, message, ...error }: ErrorData, consequence?: string): LitestreamError {
  const hint = withoutSlowAdvice(error.hint);
  return new LitestreamError(code, consequence === undefined ? message : `${message}; ${consequence}`, hint === undefined ? {} : { hint });
}

/** Nothing was ever captured, so nothing can be waited for. */
const isEmpty = async (local: LocalLog): Promise<boolean> => (await local.list()).length === 0;

function standingFailure(uploader: Uploader): LitestreamError | undefined {
  const failure = uploader.status().lastError?.error;
  return failure === undefined ? undefined : failureOf(failure);
}

/** What keeps the replica from taking anything comes before what it has not taken. */
function unreplicated(uploader: Uploader, error: unknown): LitestreamError {
  const { code, message, cause, ...rest } = errorToData(error);
  const hint = withoutSlowAdvice(rest.hint);
  const failure = uploader.status().lastError?.error;
  if (failure !== undefined && failure.code !== code) return failureOf(failure, message);
  return new LitestreamError(code, cause === undefined ? message : `${message} (${cause})`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

async function leftBehind({ uploader, local }: LastUploadTools): Promise<LitestreamError | undefined> {
  const { pendingBytes, txid } = uploader.status();
  if (pendingBytes === 0) return (await isEmpty(local)) ? standingFailure(uploader) : undefined;
  const skipped = new LitestreamError('NOT_REPLICATED', `the last upload was skipped: ${pendingBytes} bytes are missing there`, {
    details: { confirmed: formatTXID(txid ?? NO_TXID), bytes: pendingBytes },
  });
  return unreplicated(uploader, skipped);
}
