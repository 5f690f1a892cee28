import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { absence, type PeerName, peerScript } from '../../tools/peers.ts';
import { startAuthorisingProxy } from './support/authorising-proxy.ts';
import { FIXTURE_HOST, runScript, serve } from './support/peer-process.ts';

const RUNS: readonly { readonly peer: PeerName; readonly baseline: string; readonly choice: readonly string[] }[] = [
  { peer: 'conformance-stable', baseline: '0.1.16', choice: ['--suite', 'all'] },
  { peer: 'conformance-next', baseline: '2025-11-25', choice: ['--requirements', '2025-11-25'] },
  { peer: 'conformance-next', baseline: '2026-07-28', choice: ['--requirements', '2026-07-28'] },
];

const TOKEN = 'lsm_conformance-token-value';

interface Host {
  readonly script?: string;
  readonly token?: string;
  readonly expected?: string;
}

/** Runs one suite against a server of its own and fails with what the suite printed. */
async function runSuite(suite: string, choice: readonly string[], { script, token, expected }: Host): Promise<void> {
  const server = await serve(token, script);
  const proxy = token === undefined ? undefined : await startAuthorisingProxy(server.address, token);
  try {
    const port = proxy?.port ?? new URL(server.address).port;
    const baseline =
      expected === undefined ? [] : ['--expected-failures', fileURLToPath(new URL(`conformance/${expected}.yml`, import.meta.url))];
    // The scenario about DNS rebinding wants the name, not the address.
    const { code, stdout, stderr } = await runScript(suite, ['server', '--url', `http://localhost:${port}/mcp`, ...choice, ...baseline]);
    expect(code, `${stdout.slice(-4_000)}\n${stderr.slice(-1_000)}`).toBe(0);
  } finally {
    await proxy?.close();
    await server.stop();
  }
}

describe('the official conformance suite', () => {
  for (const { peer, baseline, choice } of RUNS) {
    const suite = peerScript(peer);
    if (suite === undefined) console.log(`skipped: conformance ${baseline}: ${absence(peer)}`);
    const run = test.skipIf(suite === undefined);
    run(
      `${baseline}, without a token: nothing fails but the committed list`,
      () => runSuite(suite ?? '', choice, { expected: baseline }),
      150_000,
    );
    run(
      `${baseline}, with a token: nothing fails but the committed list`,
      () => runSuite(suite ?? '', choice, { expected: baseline, token: TOKEN }),
      150_000,
    );
    run(
      `${baseline}, its own test tools behind our door: nothing fails`,
      () => runSuite(suite ?? '', choice, { script: FIXTURE_HOST }),
      150_000,
    );
  }
});
