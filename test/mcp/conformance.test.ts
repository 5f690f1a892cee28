import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { absence, type PeerName, peerScript } from '../../tools/peers.ts';
import { startAuthorisingProxy } from './support/authorising-proxy.ts';
import { runScript, serve } from './support/peer-process.ts';

const RUNS: readonly { readonly peer: PeerName; readonly baseline: string; readonly choice: readonly string[] }[] = [
  { peer: 'conformance-stable', baseline: '0.1.16', choice: ['--suite', 'all'] },
  { peer: 'conformance-next', baseline: '2025-11-25', choice: ['--requirements', '2025-11-25'] },
  { peer: 'conformance-next', baseline: '2026-07-28', choice: ['--requirements', '2026-07-28'] },
];

const TOKEN = 'lsm_conformance-token-value';

describe('the official conformance suite', () => {
  for (const { peer, baseline, choice } of RUNS) {
    const script = peerScript(peer);
    if (script === undefined) console.log(`skipped: conformance ${baseline}: ${absence(peer)}`);
    for (const guarded of [false, true]) {
      test.skipIf(script === undefined)(
        `${baseline}, ${guarded ? 'with' : 'without'} a token: nothing fails but the committed list`,
        async () => {
          const server = await serve(guarded ? TOKEN : undefined);
          const proxy = guarded ? await startAuthorisingProxy(server.address, TOKEN) : undefined;
          try {
            const port = proxy?.port ?? new URL(server.address).port;
            const expected = fileURLToPath(new URL(`conformance/${baseline}.yml`, import.meta.url));
            // The scenario about DNS rebinding wants the name, not the address.
            const args = ['server', '--url', `http://localhost:${port}/mcp`, ...choice, '--expected-failures', expected];
            const { code, stdout, stderr } = await runScript(script ?? '', args);
            expect(code, `${stdout.slice(-4_000)}\n${stderr.slice(-1_000)}`).toBe(0);
          } finally {
            await proxy?.close();
            await server.stop();
          }
        },
        150_000,
      );
    }
  }
});
