/** Settings of the MCP doors. */

import type { Secret } from '../base/secret.ts';
import type { Scope } from '../control/caller.ts';
import type { RestoreGateSettings } from '../control/options.ts';
import type { ListenAddress } from '../http/options.ts';

export interface MCPSettings {
  readonly address?: ListenAddress;
  readonly readOnly: boolean;
  readonly token?: Secret;
  readonly tokenScopes: readonly Scope[];
  readonly tokenFile?: string;
  readonly gate: RestoreGateSettings;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly sse: boolean;
  readonly maxResultChars: number;
  readonly auditLog?: string;
  readonly auditReads: boolean;
}
