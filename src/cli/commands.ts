/** The commands by name, each loaded when it is called. */

import type { Command } from './door.ts';
import type { CommandName } from './summaries.ts';

export const COMMANDS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  replicate: async () => (await import('./commands/replicate.ts')).replicate,
  restore: async () => (await import('./commands/restore.ts')).restore,
  databases: async () => (await import('./commands/databases.ts')).databases,
  status: async () => (await import('./commands/status.ts')).status,
  info: async () => (await import('./commands/info.ts')).info,
  ltx: async () => (await import('./commands/ltx.ts')).ltx,
  wal: async () => (await import('./commands/wal.ts')).wal,
  generations: async () => (await import('./commands/generations.ts')).generations,
  snapshots: async () => (await import('./commands/snapshots.ts')).snapshots,
  sync: async () => (await import('./commands/sync.ts')).sync,
  reset: async () => (await import('./commands/reset.ts')).reset,
  verify: async () => (await import('./commands/verify.ts')).verify,
  check: async () => (await import('./commands/check.ts')).check,
  repair: async () => (await import('./commands/repair.ts')).repair,
  rekey: async () => (await import('./commands/rekey.ts')).rekey,
  config: async () => (await import('./commands/config.ts')).config,
  mcp: async () => (await import('./commands/mcp.ts')).mcp,
  version: async () => (await import('./commands/version.ts')).version,
};
