/** A process that serves MCP over HTTP for the conformance suites and the inspector: argument is the token, if any; prints its address. */

import { silentLogger } from '../../../src/base/log.ts';
import { Secret } from '../../../src/base/secret.ts';
import { startMCPHTTP } from '../../../src/mcp/http.ts';
import { DEFAULT_LIMITS } from '../../../src/mcp/limits.ts';
import { fakeControl } from './fake-control.ts';
import { mcpSettings } from './settings.ts';

const [token] = process.argv.slice(2);

// The suites ask faster than any client: the rate is theirs, the rest of the limits is the product's.
const fast = { perMinute: 60_000, burst: 10_000 };
const listener = await startMCPHTTP(mcpSettings(token === undefined ? {} : { token: new Secret(token) }), fakeControl(), {
  log: silentLogger,
  version: '1.2.3',
  limits: { ...DEFAULT_LIMITS, requests: fast, calls: fast },
});
console.log(`${listener.address}/mcp`);
process.on('SIGTERM', () => void listener.close().then(() => process.exit(0)));
