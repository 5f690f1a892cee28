/** What control works on, made from the settings. */

import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Settings } from '../config/settings.ts';
import { AuditFile } from '../control/audit.ts';
import { makeWorld, type World, type WorldParts } from '../control/world.ts';
import { openReplica } from '../replica/open.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { ReplicationService } from '../service/service.ts';
import { sqliteVersion } from '../sqlite/library.ts';
import { VERSION } from '../version.ts';
import { runJob } from '../workers/job-host.ts';
import { auditLogOf } from './audit-log.ts';
import { stillTrying } from './still-trying.ts';

/** Revisions of the protocol the MCP doors speak. */
const PROTOCOL = { modern: ['2026-07-28'], legacy: ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] };

/**
 * Loaded when it is needed: the engines are not, by most commands. Only for a configuration: a URL on the command line may be the replica of
 * another database, which must not get this one's changes.
 */
const lazySendTail =
  (log: Logger): World['sendTail'] & {} =>
  async (entry, signal) =>
    (await import('./send-tail.ts')).sendTail(entry, log, signal);

/** The running service with what it was made from. */
type RunningSet = ReplicationService & { readonly entries: readonly DatabaseEntry[] };

/** What a daemon has of its own. */
type Running = Pick<WorldParts, 'proofs' | 'observations'> & Partial<Pick<WorldParts, 'runJob' | 'openReplica'>>;

/**
 * @param service absent beside a daemon or without one.
 * @param models AI clients may call: then there is an audit log even if none is configured. A person who restores after a disaster must not
 * be stopped by a directory that is gone.
 */
export function worldFrom(settings: Settings, log: Logger, service: RunningSet | undefined, models: boolean, running: Running = {}): World {
  const waiting = service === undefined ? { retry: { onRetry: stillTrying(log, systemClock) } } : {};
  const auditLog = models ? auditLogOf(settings).auditLog : settings.mcp.auditLog;
  return makeWorld({
    version: VERSION,
    clock: systemClock,
    log,
    get entries() {
      return service?.entries ?? settings.databases;
    },
    disabled: service === undefined ? (settings.disabled ?? []) : (service.disabled ?? []),
    directories: settings.directories,
    service,
    gate: settings.mcp.gate,
    protectedPaths: [settings.configPath, settings.mcp.tokenFile, auditLog].filter((path) => path !== undefined),
    runJob,
    lagBudgetMs: settings.lagBudgetMs,
    openReplica: ({ store }, options) => openReplica(store, { log, ...waiting, ...options }),
    sqliteVersion: sqliteVersion(),
    protocol: PROTOCOL,
    ...(service === undefined && !models && settings.configPath !== undefined ? { sendTail: lazySendTail(log) } : {}),
    ...running,
    ...(auditLog === undefined ? {} : { audit: new AuditFile(auditLog).write }),
  });
}
