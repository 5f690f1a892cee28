/** What the MCP doors tell whoever counts; the composition root joins it with the metrics. */

export type ConnectionKind = 'streamable' | 'sse' | 'listen' | 'stdio';

export type RefusalReason =
  | 'host'
  | 'origin'
  | 'size'
  | 'token'
  | 'query-token'
  | 'rate'
  | 'connections'
  | 'method'
  | 'media'
  | 'body'
  | 'shutdown';

export interface MCPObserver {
  /** One tool call ended; `outcome` is `ok`, `asked` or the error's code. */
  called(call: { readonly tool: string; readonly outcome: string; readonly seconds: number }): void;
  /** A request was turned away before it reached the protocol. */
  refused(reason: RefusalReason): void;
  /** Connections of this kind now. */
  connections(kind: ConnectionKind, count: number): void;
}

export const silentObserver: MCPObserver = { called: () => {}, refused: () => {}, connections: () => {} };
