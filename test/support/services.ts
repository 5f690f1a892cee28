/**
 * Real servers for tests: started when a test first asks, once in a run of the tests, shared by its worker processes, ended with the run.
 *
 * With LITESTREAM_SERVICES=require a server that cannot be had fails the tests that want it; otherwise they are skipped with the reason.
 */

import { describe } from 'vitest';
import { whyNot } from '../../tools/services/catalogue.ts';
import { Run } from '../../tools/services/run.ts';
import type { ServiceAddresses, ServiceName } from '../../tools/services/service.ts';

export type { ServiceAddresses, ServiceName } from '../../tools/services/service.ts';

/** Set by services-setup.ts for this process and the workers. */
export const RUN_VARIABLE = 'LITESTREAM_SERVICES_RUN';

/** Time a hook should have that waits for a server, in ms: the slowest starts in 20 s, on a busy machine in more. */
export const SERVICE_START_MS = 180_000;

/**
 * Where the server listens and how to get in; starts it if nobody has. Every test makes its own bucket, container, directory or subject in it.
 * Fails when it cannot be started. Give the hook that waits SERVICE_START_MS.
 */
export function service<N extends ServiceName>(name: N): Promise<ServiceAddresses[N]> {
  const path = process.env[RUN_VARIABLE];
  if (path === undefined) throw new Error('servers are only there in tests that run with test/vitest.config.ts');
  return new Run(path).start(name);
}

const told = new Set<ServiceName>();

/** Why tests that want this server are to be skipped, printed once a file; undefined when they are to run. */
export function available(name: ServiceName): string | undefined {
  if (process.env.LITESTREAM_SERVICES === 'require') return undefined;
  const reason = whyNot(name);
  if (reason !== undefined && !told.has(name)) console.warn(`skipped: ${reason}`);
  told.add(name);
  return reason;
}

/** A `describe` for tests that want this server. */
export function describeWith(name: ServiceName, title: string, tests: () => void): void {
  describe.skipIf(available(name) !== undefined)(title, tests);
}
