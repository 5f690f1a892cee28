/** Something to wait for, not a failure: the database cannot be captured yet. */

import { LitestreamError } from '../../base/errors.ts';
import type { EngineState } from '../events.ts';

export class NotYet extends LitestreamError {
  /** What the engine is doing meanwhile. */
  readonly state: Extract<EngineState, 'waiting' | 'starting'>;

  constructor(state: NotYet['state'], message: string) {
    super('DB_NOT_READY', message, { hint: 'It goes on by itself as soon as that has changed.' });
    this.state = state;
  }
}
