/** One line per command, apart from the commands themselves so that the overview loads none of them. */

export const SUMMARIES = {
  replicate: 'Replicate databases until stopped',
  restore: 'Restore a database to a moment',
  databases: 'List the configured databases',
  status: 'Show positions, lag and errors',
  info: 'Show the running daemon',
  ltx: 'List the LTX files of a replica',
  wal: 'List the WAL segments of version 0.3 at a replica',
  generations: 'List the restorable runs of a replica',
  snapshots: 'List the full images of a replica',
  sync: 'Push pending changes now',
  reset: 'Begin the local state of a database anew',
  verify: 'Prove that a backup restores',
  check: 'Find out what each destination can do',
  repair: 'Mend a replica with files of another one',
  rekey: 'Encrypt a replica for its present recipients',
  config: 'Check the configuration and print what it comes to',
  mcp: 'Serve AI clients over stdin and stdout',
  version: 'Print the version',
} as const;

export type CommandName = keyof typeof SUMMARIES;
