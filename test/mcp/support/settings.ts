/** Settings of a listener on a free loopback port, and what a door needs besides. */

import { silentLogger } from '../../../src/base/log.ts';
import type { Caller } from '../../../src/control/caller.ts';
import type { MCPSettings } from '../../../src/mcp/options.ts';

export function mcpSettings(changes: Partial<MCPSettings> = {}): MCPSettings {
  return {
    address: { host: '127.0.0.1', port: 0, text: '127.0.0.1:0', anyHost: false },
    readOnly: true,
    tokenScopes: ['read'],
    gate: { restoreDirs: [], confirm: 'auto', planTTLMs: 600_000, maxRestores: 2 },
    allowedHosts: [],
    allowedOrigins: [],
    sse: true,
    maxResultChars: 20_000,
    auditReads: false,
    ...changes,
  };
}

export const door = { log: silentLogger, version: '1.2.3' } as const;

export function callerWith(changes: Partial<Caller> = {}): Caller {
  return { principal: 'tester', door: 'mcp-http', scopes: ['read'], readOnly: true, operator: false, ...changes };
}

export const readerCaller = callerWith();
export const fullCaller = callerWith({ scopes: ['read', 'data', 'operate', 'restore'], readOnly: false });
