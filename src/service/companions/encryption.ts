/** Companion: says what a host without an identity cannot do at its encrypted replica (docs/engine.md, Encryption). */

import type { Companion, CompanionContext, MakeCompanion } from './companion.ts';

/** Said in the log and in `status`. */
const WRITES_ONLY =
  'no age identity is configured here: changes are encrypted and sent, level 1 is merged from local files, snapshots are taken from the open database; ' +
  'nothing above level 1 is merged, and nothing can be verified, mirrored or restored on this host';

/** Only for a host that writes what it cannot read. */
export const encryptionCompanion: MakeCompanion = (context) => (context.replica.replica.canRead ? undefined : new WriteOnly(context));

class WriteOnly implements Companion {
  readonly #context: CompanionContext;

  constructor(context: CompanionContext) {
    this.#context = context;
  }

  start(): void {
    this.#context.log.log('warn', 'the replica is encrypted, and this host cannot read it', {
      reason: WRITES_ONLY,
      hint: 'If it is to be merged and verified here, add the identity to age.identities.',
    });
  }

  async stop(): Promise<void> {}

  facts(): { readonly writeOnly: string } {
    return { writeOnly: WRITES_ONLY };
  }
}
