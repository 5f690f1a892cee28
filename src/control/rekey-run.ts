/** Encrypts the files of one replica for its present recipients: beside the running service, or alone. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import nodePath from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { type RekeyOutcome, rekeyReplica } from '../engine/rekey/rekey.ts';
import { listCatalogue } from '../engine/restore/catalogue.ts';
import { describeFile } from '../replica/file-info.ts';
import type { Replica } from '../replica/replica.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { aloneBeside, aloneOffline } from '../service/rekey/alone.ts';
import { factsOf } from './file-identity.ts';
import type { JobContext } from './job-work.ts';
import { handleOf } from './lookup.ts';
import type { RekeyReport } from './rekey-report.ts';
import type { World } from './world.ts';

export interface RekeyOrder {
  readonly entry: DatabaseEntry;
  readonly target: ReplicaSettings;
  readonly isDryRun: boolean;
}

/** A replica that is not encrypted is left alone. IDENTITY_REQUIRED where its files cannot be read here. */
export async function rekeyOne(world: World, order: RekeyOrder, job: JobContext): Promise<RekeyReport> {
  const { entry, target, isDryRun } = order;
  const recipients = target.store.encryption?.recipients ?? [];
  if (recipients.length === 0) return reportOf(order, [], NOTHING);
  if ((target.store.encryption?.identities ?? []).length === 0) throw noIdentity(target.name);
  const running = handleOf(world, entry)?.replicas.find(({ settings }) => settings.name === target.name);
  const scratch = await makeScratch(entry, running !== undefined);
  try {
    if (running !== undefined) {
      const alone = aloneBeside(running, job.signal);
      return reportOf(order, recipients, await rekey(world, order, { replica: running.replica, alone, scratch, recipients }, job));
    }
    const replica = await world.replicas.openAnew(target, { sealing: { directory: nodePath.join(scratch, 'sealed') } });
    try {
      const work = () => rekey(world, order, { replica, alone: (piece) => piece(), scratch, recipients }, job);
      const offline = { metaPath: entry.settings.metaPath, settings: target, replica, clock: world.clock, signal: job.signal };
      return reportOf(order, recipients, await (isDryRun ? work() : aloneOffline(offline, work)));
    } finally {
      await replica.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Place {
  readonly replica: Replica;
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  readonly scratch: string;
  readonly recipients: readonly string[];
}

async function rekey(
  world: World,
  { target, isDryRun }: RekeyOrder,
  place: Place,
  { signal, progress }: JobContext,
): Promise<RekeyOutcome> {
  const files = await listCatalogue(place.replica, { signal });
  return rekeyReplica({
    ...place,
    files,
    isDryRun,
    signal,
    fetch: (file, path) => world.runJob('fetch', { store: target.store, file, path, scratch: place.scratch }, { signal }),
    onProgress: (done, total) => progress({ phase: 'rekey', done, total, unit: 'files', message: 'encrypting files anew' }),
  });
}

const NOTHING: RekeyOutcome = { files: 0, bytes: 0, before: 0, gone: 0, left: [] };

function reportOf({ target, isDryRun }: RekeyOrder, recipients: readonly string[], outcome: RekeyOutcome): RekeyReport {
  const { files, bytes, before, gone, left } = outcome;
  function word(): RekeyReport['outcome'] {
    if (recipients.length === 0) return 'plain';
    if (isDryRun) return 'planned';
    return left.length === 0 ? 'rekeyed' : 'incomplete';
  }
  return {
    replica: target.name,
    outcome: word(),
    recipients: new Set(recipients).size,
    files,
    bytes,
    done_before: before,
    gone,
    left: left.map(({ file, error }) => ({ file: describeFile(file), code: error.code, message: redact(error.message) })),
  };
}

/** On the database's own disk where this process owns its metadata directory; else temporary. */
async function makeScratch({ settings: { metaPath } }: DatabaseEntry, isOwner: boolean): Promise<string> {
  if (!isOwner || (await factsOf(metaPath)) === undefined) return mkdtemp(nodePath.join(tmpdir(), 'litestream-rekey-'));
  const scratch = nodePath.join(metaPath, 'rekey');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  return scratch;
}

const noIdentity = (name: string): LitestreamError =>
  new LitestreamError('IDENTITY_REQUIRED', `encrypting ${name} anew: its files have to be read, and no age identity is configured`, {
    hint: 'Run this where age.identities has the identities the files were encrypted for, earlier ones too.',
  });
