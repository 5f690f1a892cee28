/** A process that serves MCP over its stdin and stdout, for tests: arguments are `daemon` or `offline` and the scopes. */

import { LitestreamError } from '../../../src/base/errors.ts';
import type { Logger } from '../../../src/base/log.ts';
import type { Scope } from '../../../src/control/caller.ts';
import { serveMCPStdio } from '../../../src/mcp/stdio.ts';
import { fakeControl, type Handler } from './fake-control.ts';
import { mcpSettings } from './settings.ts';

const [attached = 'daemon', scopes = 'read'] = process.argv.slice(2);

const log: Logger = {
  log: (level, message, fields) => void process.stderr.write(`${level} ${message} ${JSON.stringify(fields ?? {})}\n`),
  with: () => log,
};

const offline: Handler = () => {
  throw new LitestreamError('DAEMON_NOT_RUNNING', 'no daemon owns these databases', {
    hint: 'Start it: litestream replicate -config litestream.yml',
  });
};

const slow: Handler = async (_input, { signal }) => {
  console.log('a stray line that must not reach stdout');
  await new Promise((resolve, reject) => {
    setTimeout(resolve, 300);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  return {
    as_of: '2026-03-01T12:00:00.000Z',
    version: '1',
    node: '24',
    writes: { page_form: 'v3-block' },
    reads: [],
    compatible_with: '0.5',
  };
};

const control = fakeControl({
  attached: attached === 'offline' ? 'offline' : 'daemon',
  handlers: { version: slow, ...(attached === 'offline' ? { status: offline } : {}) },
});

await serveMCPStdio(control, {
  caller: {
    principal: 'stdio:tester',
    door: 'mcp-stdio',
    scopes: scopes.split(',') as Scope[],
    readOnly: true,
    operator: false,
  },
  settings: mcpSettings(),
  log,
  version: '1.2.3',
});
