/** Ten minutes without a destination, for every kind of store, with every commit of them restored. */

import { it } from 'vitest';
import { BACKENDS, HTTP_BACKENDS } from '../storage/faults/backends.ts';
import { fault } from '../storage/faults/rig.ts';
import { DOWN, tenMinutes, UNWELL } from '../storage/faults/ten-minutes.ts';

fault('Sustained outage', BACKENDS, (rig) => {
  it('of ten minutes, nobody listens: every commit can be restored', { timeout: 300_000 }, () =>
    tenMinutes(rig(), DOWN, (commits) => commits),
  );
});

fault('Sustained outage', HTTP_BACKENDS, (rig) => {
  it('of ten minutes, a proxy answers with errors: every commit can be restored', { timeout: 300_000 }, () =>
    tenMinutes(rig(), UNWELL, (commits) => commits),
  );
});
