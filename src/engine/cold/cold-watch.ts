/** The interface through which changes of closed databases are noticed, in this thread or in another. */

import type { ColdPlace } from './fingerprint.ts';

/** `events`: the system said so. `sweep`: it was found by looking, so events do not arrive. */
export type NoticedBy = 'events' | 'sweep';

export type ArmResult =
  | 'armed'
  /** Somebody has written since the fingerprint was taken. */
  | 'changed'
  /** The directory cannot be watched. */
  | 'unwatchable';

export interface ColdWatch {
  /** Watches from now on; `onChange` is called at most once, and never when the result is not `armed`. */
  arm(name: string, place: ColdPlace, onChange: (by: NoticedBy) => void): Promise<ArmResult>;
  /** `onChange` is not called any more. */
  disarm(name: string): void;
}
