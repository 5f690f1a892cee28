/** What a daemon listens on: metrics and health, MCP over HTTP, the private socket. */

import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Daemon } from '../cli/door.ts';
import type { Settings } from '../config/settings.ts';
import type { Control } from '../control/control.ts';
import { startMetricsServer } from '../http/metrics-server.ts';
import { type SocketServer, serveSocket } from '../http/socket-server.ts';
import { Tokens } from '../mcp/tokens.ts';
import { checkHealth, isReady } from '../service/health.ts';
import type { Metrics } from '../service/metrics/metrics.ts';
import type { Replication } from '../service/replication.ts';
import { VERSION } from '../version.ts';
import { announcedDirectories } from './announced.ts';
import { auditLogOf } from './audit-log.ts';

export interface ListenerParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly control: Control;
  readonly replication: Replication;
  readonly socketPath: string;
}

interface Closable {
  close(): Promise<unknown>;
}

export interface Listeners {
  /** Closed first when the daemon stops: what others ask. */
  readonly public: readonly Closable[];
  /** Closed when everything is done: the commands that wait for the end are here. */
  readonly socket: Closable;
  readonly addresses: Daemon['addresses'];
}

/** @param opened is told of each that listens; when one fails, those before it are left to the caller. */
export async function openListeners(parts: ListenerParts, opened: (listener: Closable) => void): Promise<Listeners> {
  const metrics = await openMetrics(parts);
  if (metrics !== undefined) opened(metrics);
  const mcp = await openMCP(parts);
  if (mcp !== undefined) opened(mcp);
  const socket = await openSocket(parts);
  opened(socket);
  return {
    public: [mcp, metrics].filter((server) => server !== undefined),
    socket,
    addresses: {
      socket: parts.socketPath,
      ...(mcp === undefined ? {} : { mcp: new URL(mcp.address).host }),
      ...(metrics === undefined ? {} : { metrics: metrics.address }),
    },
  };
}

async function openMetrics({ settings, metrics, replication }: ListenerParts) {
  if (settings.address === undefined) return undefined;
  return startMetricsServer(settings.address, {
    contentType: metrics.contentType,
    render: () => metrics.render(replication.databases, replication.disabled),
    health: () => checkHealth(replication.databases, replication.directories, replication.disabled),
    ready: () => isReady(replication.databases),
  });
}

async function openMCP({ settings, control, log, metrics }: ListenerParts) {
  if (settings.mcp.address === undefined) return undefined;
  const { startMCPHTTP } = await import('../mcp/http.ts');
  return startMCPHTTP({ ...settings.mcp, ...auditLogOf(settings) }, control, {
    log,
    version: VERSION,
    observer: {
      called: ({ tool, outcome, seconds }) => metrics.mcpCall(tool, outcome, seconds),
      refused: (reason) => metrics.mcpRefused(reason),
      connections: (kind, open) => metrics.mcpConnections(kind, open),
    },
  });
}

/** The private socket. A stdio MCP server that attaches here has the rights of its token, as over HTTP. */
async function openSocket({ settings, socketPath: path, control, log, replication }: ListenerParts): Promise<SocketServer> {
  const { mcp } = settings;
  const tokens = new Tokens(mcp, systemClock, log);
  await tokens.open(() => {});
  const server = await serveSocket({
    path,
    control,
    version: VERSION,
    get directories() {
      return [...replication.entries.map(({ settings: { metaPath } }) => metaPath), ...announcedDirectories(settings)];
    },
    log,
    rules: { readOnly: mcp.readOnly, authenticate: (token) => tokens.find(token) },
  });
  return {
    path,
    close: async () => {
      await server.close();
      tokens.close();
    },
  };
}
