/** The composition root: joins settings, rooms and doors. Everything heavy is loaded when a command first needs it. */

import { userInfo } from 'node:os';
import type { Door } from './cli/door.ts';
import type { Stdio } from './cli/lazy-door.ts';
import { loadSettings, settingsForArguments } from './config/load.ts';
import type { Settings } from './config/settings.ts';
import { type Caller, SCOPES } from './control/caller.ts';
import type { Control } from './control/control.ts';
import { VERSION } from './version.ts';

export function createDoor(env: Door['env'], stdio: Stdio): Door {
  const attach: Door['attach'] = async (settings) => {
    const { findDaemon } = await import('./http/socket-discovery.ts');
    const { announcedDirectories } = await import('./compose/announced.ts');
    const token = env.LITESTREAM_MCP_TOKEN;
    return findDaemon([...settings.databases, ...(settings.disabled ?? [])], {
      directories: announcedDirectories(settings),
      ...(token === undefined ? {} : { token }),
    });
  };
  const offline = async (settings: Settings, models = false): Promise<Control> => {
    const { createLocalControl } = await import('./control/local-control.ts');
    const { worldFrom } = await import('./compose/world.ts');
    return createLocalControl(worldFrom(settings, await logger(settings, stdio.stderr), undefined, models));
  };
  const logger = async (settings: Settings, standard: NodeJS.WriteStream) => {
    const { makeLogger } = await import('./compose/logger.ts');
    return makeLogger(settings, standard, stdio.stderr);
  };
  return {
    env,
    ...stdio,
    loadConfig: async (choice) => withMembers(await loadSettings(choice, env)),
    settingsFor: async (database, urls) => settingsForArguments(database, urls, env),
    attach,
    offline: (settings) => offline(settings),
    startDaemon: async (settings, signal) => {
      const { startDaemon } = await import('./compose/daemon.ts');
      return startDaemon(settings, await logger(settings, stdio.stdout), signal);
    },
    follow: async (settings, wish, listener) => {
      const { follow } = await import('./compose/follow.ts');
      return follow(settings, wish, listener);
    },
    serveMCPStdio: async (settings, { readOnly, scopes }) => {
      const { serveMCPStdio } = await import('./mcp/stdio.ts');
      const { auditLogOf } = await import('./compose/audit-log.ts');
      const { reattachingControl } = await import('./mcp/reattaching-control.ts');
      const control = await reattachingControl({ attach: () => attach(settings), offline: () => offline(settings, true) });
      try {
        const caller = stdioCaller(readOnly, scopes);
        await serveMCPStdio(control, {
          caller,
          settings: { ...settings.mcp, ...auditLogOf(settings) },
          log: await logger(settings, stdio.stderr),
          version: VERSION,
          ...stdio,
        });
      } finally {
        await control.close();
      }
    },
  };
}

/** Looks for the members of the configured directories, before anything is opened. */
async function withMembers(settings: Settings): Promise<Settings> {
  if (settings.directories.length === 0) return settings;
  const { expandDirectories } = await import('./service/directories/members.ts');
  // The file of a disabled database stays its own.
  const disabled = new Map(settings.disabled?.map((entry) => [entry.settings.path, entry])).values();
  const { members, problems } = await expandDirectories([...settings.databases, ...disabled], settings.directories);
  const findings = problems.map(({ directory, severity, message }) => ({ severity, message, ...directory.at }));
  return Object.freeze({
    ...settings,
    databases: Object.freeze([...settings.databases, ...members]),
    findings: Object.freeze([...settings.findings, ...findings]),
  });
}

/** Whoever starts the program owns the files; a model behind it is never an operator. */
function stdioCaller(readOnly: boolean, scopes: readonly string[]): Caller {
  return {
    principal: `stdio:${userInfo().username}`,
    door: 'mcp-stdio',
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    readOnly,
    operator: false,
  };
}
