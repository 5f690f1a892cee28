/** The whole configuration as code uses it: frozen, every default filled in, nothing left to parse. */

import type { LogLevel } from '../base/log.ts';
import type { ListenAddress } from '../http/options.ts';
import type { MCPSettings } from '../mcp/options.ts';
import type { DirectorySettings } from '../service/directories/options.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';

/** Something wrong or doubtful in the configuration, placed so that a person finds it. */
export interface Finding {
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
  /** Such as `dbs[0].replica.path`. */
  readonly key?: string;
}

export interface Settings {
  /** Absolute path of the file read, absent in command-line mode. */
  readonly configPath?: string;
  readonly strict: boolean;
  /** Metrics and health listener. */
  readonly address?: ListenAddress;
  readonly mcp: MCPSettings;
  readonly exec?: string;
  readonly shutdown: { readonly timeoutMs: number; readonly intervalMs: number };
  readonly logging: { readonly level: LogLevel; readonly type: 'text' | 'json'; readonly stderr: boolean };
  /** Lag in ms above which a replica counts as behind. */
  readonly lagBudgetMs: number;
  /** Those with a path of their own, then the members of directories that were there when the configuration was loaded. */
  readonly databases: readonly DatabaseEntry[];
  readonly directories: readonly DirectorySettings[];
  /** What is set aside because it cannot be used as it is written; never with `strict`. Absent for none. */
  readonly disabled?: readonly DisabledDatabase[];
  readonly findings: readonly Finding[];
  /** Where each value that is not a default came from, by key path: `FILE:LINE` or the name of a variable or flag. */
  readonly origins?: Readonly<Record<string, string>>;
}
