/** Settings of the gate in front of a restore that a model proposes (mcp.md §9, §15). */

export interface RestoreGateSettings {
  /** Absolute directories in which restores may create files; none by default. */
  readonly restoreDirs: readonly string[];
  readonly confirm: 'auto' | 'elicit' | 'operator';
  readonly planTTLMs: number;
  /** Restores at once over all databases. */
  readonly maxRestores: number;
}
