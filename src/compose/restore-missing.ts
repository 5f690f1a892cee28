/** Brings a missing database back from its best replica before replication starts. */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { errorToData, hasCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { planLegacy } from '../engine/legacy/plan.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { LATEST } from '../engine/restore/target.ts';
import { formatTXID, type TXID } from '../formats/ltx/txid.ts';
import { legacyHex } from '../formats/v3/names.ts';
import { type LegacyListing, listLegacy } from '../replica/legacy/listing.ts';
import { openReplica } from '../replica/open.ts';
import { destinationsOf } from '../service/destinations.ts';
import { limited } from '../service/limited.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { decisive } from '../service/roles.ts';
import { reasonOf } from '../storage/wrap/outage.ts';
import type { CountedRequests } from './requests.ts';

/** How long a replica may take to say what it holds, ms. */
const ANSWER_LIMIT = 60_000;
/** The same for one that is best-effort, ms. */
const BEST_EFFORT_LIMIT = 15_000;

interface Tools {
  readonly log: Logger;
  readonly requests: CountedRequests;
  readonly signal: AbortSignal;
}

/** What one replica could bring back. */
interface Holding {
  readonly replica: ReplicaSettings;
  /** 0 without LTX files. */
  readonly txid: TXID;
  readonly legacy: LegacyListing;
}

/** False when the file is there or no replica holds anything. Rejects when a replica cannot be asked: starting empty beside a backup would begin a second history. */
export async function restoreMissing({ settings, replicas }: DatabaseEntry, tools: Tools): Promise<boolean> {
  const { log, signal } = tools;
  if (existsSync(settings.path)) return false;
  const required = decisive(replicas, ({ role }) => role);
  const asked = replicas.map((replica) =>
    required.includes(replica) ? ask(replica) : ask(replica, BEST_EFFORT_LIMIT).catch(leaveOut(replica)),
  );
  const holdings = (await Promise.all(asked)).flat();
  for (const { replica, legacy } of holdings) {
    const [first] = legacy.unknown;
    if (first === undefined) continue;
    const count = legacy.unknown.length;
    log.log('warn', 'names below generations/ cannot be read as those of version 0.3', { replica: replica.name, first, count });
  }
  const best = holdings.reduce<Holding | undefined>((most, one) => (one.txid > (most?.txid ?? 0n) ? one : most), undefined);
  try {
    const found =
      best === undefined ? await fromLegacy(holdings, settings.path, tools) : await fromLTX(best, holdings, settings.path, tools);
    if (found === undefined) return false;
    log.log('info', 'restored the missing database', { database: settings.name, ...found });
    return true;
  } catch (error) {
    // The application made it meanwhile. Left-over side files of the missing one are another matter: beside them nothing may be restored.
    if (hasCode(error, 'OUTPUT_EXISTS') && existsSync(settings.path)) return false;
    throw error;
  }

  async function ask(replica: ReplicaSettings, ms = ANSWER_LIMIT): Promise<Holding[]> {
    return Promise.all((await destinationsOf(replica)).map((destination) => askReplica(destination, ms, tools)));
  }

  /** A best-effort replica must not keep a database from starting: it is looked at when it answers (docs/engine.md, Several replicas). */
  function leaveOut({ name }: ReplicaSettings): (error: unknown) => Holding[] {
    return (error) => {
      signal.throwIfAborted();
      log.log('warn', 'a best-effort replica cannot be asked; restoring without it', { replica: name, error: errorToData(error) });
      return [];
    };
  }
}

async function askReplica(settings: ReplicaSettings, ms: number, { log, requests, signal }: Tools): Promise<Holding> {
  const replica = await openReplica(settings.store, { log, ...requests.book.countingAt(settings.store) });
  try {
    const what = `asking ${replica.store.destination} for its position`;
    return await limited({ clock: systemClock, ms, what, signal }, async (call) => {
      const [txid, legacy] = await Promise.all([replica.maxTXID(call), listLegacy(replica.store, replica.prefix, { signal: call })]);
      return { replica: settings, txid, legacy };
    });
  } catch (error) {
    throw reasonOf(error, replica.store);
  } finally {
    await replica.close();
  }
}

async function fromLTX({ replica }: Holding, holdings: readonly Holding[], output: string, { requests, signal }: Tools) {
  const others = holdings.map((one) => one.replica).filter((one) => one !== replica);
  const alternates = others.map(({ name, store }) => ({ name, store }));
  const request = { name: replica.name, store: replica.store, alternates, target: LATEST, output, integrity: 'quick' } as const;
  const { txid, time } = await requests.runJob('restore', request, { signal });
  return { replica: replica.name, txid: formatTXID(txid), time: new Date(time).toISOString() };
}

/** Where no replica has LTX files yet: the newest state of version 0.3, from which replication then goes on. */
async function fromLegacy(holdings: readonly Holding[], output: string, { requests, signal }: Tools) {
  const plans = holdings
    .filter(({ legacy }) => legacy.generations.length > 0)
    .map(({ replica, legacy }) => ({ replica, plan: planLegacy(legacy, { type: 'latest' }) }));
  const [best] = plans.sort((a, b) => b.plan.reached.time - a.plan.reached.time);
  if (best === undefined) return undefined;
  const { replica, plan } = best;
  const identities = (replica.ageIdentities ?? []).map((secret) => secret.reveal());
  const request = { store: replica.store, plan, output, integrity: 'quick', identities } as const;
  const { time } = await requests.runJob('restoreLegacy', request, { signal });
  return {
    replica: replica.name,
    generation: plan.generation,
    wal_index: legacyHex(plan.reached.index),
    time: new Date(time).toISOString(),
  };
}
