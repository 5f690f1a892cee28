/** What crosses between the main loop and the thread that watches cold databases. */

import type { ArmResult, NoticedBy } from '../engine/cold/cold-watch.ts';
import type { ColdPlace } from '../engine/cold/fingerprint.ts';

export type ToWatch =
  | { readonly kind: 'arm'; readonly id: number; readonly name: string; readonly place: ColdPlace }
  | { readonly kind: 'disarm'; readonly name: string };

/** `id` is that of the order which armed it: a change of an earlier arming is not taken for one of the present. */
export type FromWatch =
  | { readonly kind: 'armed'; readonly id: number; readonly name: string; readonly result: ArmResult }
  | { readonly kind: 'changed'; readonly id: number; readonly name: string; readonly by: NoticedBy };
