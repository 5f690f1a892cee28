/** Restores in a temporary directory with the real file system and file replicas. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { nodeDisk } from '../../../src/engine/restore/disk.ts';
import { type RestoreRequest, type RestoreResult, type RestoreTools, restoreDatabase } from '../../../src/engine/restore/restore.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { openReplica } from '../../../src/replica/open.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';

/** A directory that is gone when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'restore-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const openFileReplica = (path: string): Promise<Replica> => openReplica({ type: 'file', path });

/** The files of a file replica in a store without local paths. */
export async function copyToMemory(replica: Replica): Promise<Replica> {
  const memory = new MemoryStore();
  for await (const { key, createdAt } of replica.store.list('')) {
    const { body } = await replica.store.open(key);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    await memory.put(key, { size: bytes.length, open: () => pieces(bytes) }, { createdAt });
  }
  return new Replica(memory, pathLayout);
}

/** Restores with tools that do nothing special unless told otherwise. */
export function restore(
  source: RestoreTools['source'],
  request: Partial<RestoreRequest> & { readonly output: string },
  tools: Partial<RestoreTools> = {},
): Promise<RestoreResult> {
  return restoreDatabase(
    { target: { type: 'latest' }, integrity: 'none', ...request },
    {
      source,
      disk: nodeDisk,
      clock: systemClock,
      guard: { assertUnused: () => {} },
      checkIntegrity: async () => {},
      signal: new AbortController().signal,
      ...tools,
    },
  );
}

/** Names in a directory that a restore should not have left. */
export const leftovers = (directory: string): string[] => readdirSync(directory).filter((name) => name.includes('.restoring-'));

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}
