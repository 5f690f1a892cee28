/** Settings of the gate in front of a restore that a model proposes (docs/mcp.md, A restore takes two calls). */

export interface RestoreGateSettings {
  /** Absolute directories in which restores may create files; none by default. */
  readonly restoreDirs: readonly string[];
  readonly confirm: 'auto' | 'elicit' | 'operator';
  readonly planTTLMs: number;
  /** Restores at once over all databases. */
  readonly maxRestores: number;
}
