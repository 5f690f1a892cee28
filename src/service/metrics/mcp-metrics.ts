/** Metrics of the MCP doors. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { labelled } from './labelled.ts';

export function mcpMetrics(registry: Registry) {
  return {
    calls: new Counter({ name: 'litestream_mcp_calls_total', help: 'MCP tool calls.', ...labelled(registry, 'tool', 'outcome') }),
    duration: new Histogram({
      name: 'litestream_mcp_duration_seconds',
      help: 'Duration of MCP tool calls.',
      ...labelled(registry, 'tool'),
    }),
    connections: new Gauge({ name: 'litestream_mcp_connections', help: 'Open MCP connections.', ...labelled(registry, 'kind') }),
    refused: new Counter({
      name: 'litestream_mcp_refused_total',
      help: 'MCP requests refused before a tool ran.',
      ...labelled(registry, 'reason'),
    }),
  };
}
