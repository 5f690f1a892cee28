/** A process that puts the conformance suite's own test tools behind the product's HTTP door, so that the protocol path tested is the one shipped. */

import { randomBytes } from 'node:crypto';
import { createRequestStateCodec, McpServer, type ServerNotifier } from '@modelcontextprotocol/server';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Secret } from '../../../src/base/secret.ts';
import { CallsInFlight } from '../../../src/mcp/calls-in-flight.ts';
import { startMCPListener } from '../../../src/mcp/http.ts';
import { DEFAULT_LIMITS } from '../../../src/mcp/limits.ts';
import { silentObserver } from '../../../src/mcp/observer.ts';
import { addPlainTools, addPrompts, addResources, answer } from './fixture-contents.ts';
import { addAskingPrompt, addAskingTools, addElicitingTools, type Round } from './fixture-rounds.ts';
import { mcpSettings } from './settings.ts';

const codec = createRequestStateCodec<Round>({ key: randomBytes(32) });
let notify: ServerNotifier | undefined;

function makeServer(): McpServer {
  const server = new McpServer(
    { name: 'fixture', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: codec.verify },
    },
  );
  addPlainTools(server);
  addResources(server);
  addPrompts(server);
  addAskingTools(server, codec);
  addElicitingTools(server);
  addAskingPrompt(server);
  const trigger = (name: string, run: () => void) =>
    server.registerTool(name, { description: 'Fixture that changes a list' }, () => {
      run();
      return answer('Changed.');
    });
  trigger('test_trigger_tool_change', () => notify?.toolsChanged());
  trigger('test_trigger_prompt_change', () => notify?.promptsChanged());
  return server;
}

const [token] = process.argv.slice(2);
const listener = await startMCPListener(mcpSettings(token === undefined ? {} : { token: new Secret(token) }), {
  log: silentLogger,
  clock: systemClock,
  observer: silentObserver,
  limits: { ...DEFAULT_LIMITS, requests: { perMinute: 60_000, burst: 10_000 } },
  makeServer,
  calls: new CallsInFlight(),
});
notify = listener.notify;
console.log(`${listener.address}/mcp`);
process.on('SIGTERM', () => void listener.close().then(() => process.exit(0)));
