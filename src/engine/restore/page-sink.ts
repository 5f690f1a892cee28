/** Where the pages of applied files go. */

import type { PageBatch } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';

/** Takes files newest first: `beginFile`, its batches, then the next older file. */
export interface PageSink {
  /** Nothing an older file holds can be wanted any more. */
  readonly complete: boolean;
  /** `name` is for messages. */
  beginFile(header: LTXHeader, name: string): void;
  /** Pages of the batch may be overwritten. */
  write(batch: PageBatch): void;
}
