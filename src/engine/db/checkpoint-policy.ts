/** When to checkpoint, and how (docs/engine.md, When to checkpoint). Pure. */

/** Pages after which an application checkpoints by default. While our read transaction stands it does so in vain at every commit, so we come first. */
const APPLICATION_AUTOCHECKPOINT = 1000;

export interface CheckpointSettings {
  readonly checkpointIntervalMs: number;
  readonly minCheckpointPages: number;
  readonly truncatePages: number;
}

export interface CheckpointInput {
  /** Committed frames of the WAL. */
  readonly frames: number;
  /** Frames that were there right after the last checkpoint, or when the database was opened, in this WAL generation; 0 in another one. */
  readonly framesThen: number;
  /** ms since then. */
  readonly elapsedMs: number;
  /** ms until another attempt is allowed after one without effect; ≤ 0 when it is. */
  readonly backOffMs: number;
}

/** Frames from which a PASSIVE checkpoint is tried. A setting above the application's own threshold is a deliberate choice and holds. */
export function passiveThreshold(minCheckpointPages: number): number {
  return minCheckpointPages > APPLICATION_AUTOCHECKPOINT
    ? minCheckpointPages
    : Math.min(minCheckpointPages, APPLICATION_AUTOCHECKPOINT / 2);
}

/** Undefined: not now. An idle database never gets a checkpoint from the time trigger. */
export function chooseCheckpoint(settings: CheckpointSettings, input: CheckpointInput): 'PASSIVE' | 'TRUNCATE' | undefined {
  if (input.backOffMs > 0) return undefined;
  if (input.frames >= settings.truncatePages) return 'TRUNCATE';
  if (input.frames >= passiveThreshold(settings.minCheckpointPages)) return 'PASSIVE';
  const due = settings.checkpointIntervalMs > 0 && input.elapsedMs >= settings.checkpointIntervalMs;
  return due && input.frames > 1 && input.frames !== input.framesThen ? 'PASSIVE' : undefined;
}
