/** Who calls and what they may do (docs/mcp.md, Who may do what). */

export const SCOPES = ['read', 'data', 'operate', 'restore'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a verb may do: read facts; use temporary space only; change running state; create or lose something people rely on. */
export type Effect = 'read' | 'scratch' | 'act' | 'destroy';

export interface Caller {
  /** Token name, `loopback`, `stdio:USER`, `cli:USER` … */
  readonly principal: string;
  readonly door: 'cli' | 'socket' | 'mcp-http' | 'mcp-stdio' | 'library';
  readonly scopes: readonly Scope[];
  /** Upper bound that removes `act` and `destroy`; nothing in a request lifts it. */
  readonly readOnly: boolean;
  /** A person at the machine: may choose any output path and needs no plan. Never true for a model. */
  readonly operator: boolean;
  /** Globs on path or name of the databases this caller may know of; absent = all. */
  readonly databases?: readonly string[];
}
