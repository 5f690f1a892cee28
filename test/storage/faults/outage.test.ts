/** Ten minutes without a destination: caught up without anybody asking for it, nothing lost. The other stores are in test/long. */

import { it } from 'vitest';
import { BACKENDS, HTTP_BACKENDS } from './backends.ts';
import { fault } from './rig.ts';
import { DOWN, tenMinutes, UNWELL } from './ten-minutes.ts';

const named = <B extends { readonly name: string }>(backends: readonly B[], ...names: string[]): B[] =>
  backends.filter(({ name }) => names.includes(name));

fault('Sustained outage', named(BACKENDS, 's3', 'sftp', 'nats'), (rig) => {
  it('of ten minutes, nobody listens: is caught up, nothing is lost', { timeout: 300_000 }, () =>
    tenMinutes(rig(), DOWN, (commits) => [...commits.slice(1, 2), ...commits.slice(-1)]),
  );
});

fault('Sustained outage', named(HTTP_BACKENDS, 's3'), (rig) => {
  it('of ten minutes, a proxy answers with errors: is caught up, nothing is lost', { timeout: 300_000 }, () =>
    tenMinutes(rig(), UNWELL, (commits) => [...commits.slice(1, 2), ...commits.slice(-1)]),
  );
});
