/** An uploader over a fake clock, real local files and a scripted store. */

import { join } from 'node:path';
import type { LogFields, Logger, LogLevel } from '../../../src/base/log.ts';
import type { UploadEvent } from '../../../src/engine/upload/events.ts';
import { Uploader } from '../../../src/engine/upload/uploader.ts';
import { type TXID, toTXID } from '../../../src/formats/ltx/txid.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { FakeClock, settleFiles, until } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { type MadeFile, makeFile, publishFile } from '../../support/local-files.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

export const SYNC_INTERVAL_MS = 1000;

export interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export async function uploadSetup(options: { readonly maxSyncFiles?: number; readonly conditionalPut?: boolean } = {}) {
  const temp = await tempDirectory();
  const directory = join(temp.path, 'ltx', '0');
  const clock = new FakeClock(undefined, settleFiles);
  const store = new FaultStore(new MemoryStore({ clock, capabilities: { conditionalPut: options.conditionalPut ?? true } }));
  const replica = new Replica(store, pathLayout);
  const events: UploadEvent[] = [];
  const lines: Line[] = [];
  const log: Logger = { log: (level, message, fields) => lines.push({ level, message, fields }), with: () => log };
  const uploaders: Uploader[] = [];

  const create = (): Uploader => {
    const uploader = new Uploader({
      settings: {
        name: 'file',
        store: { type: 'file', path: '/unused' },
        syncIntervalMs: SYNC_INTERVAL_MS,
        maxSyncFiles: options.maxSyncFiles ?? 256,
      },
      replica,
      directory,
      clock,
      log,
      onEvent: (event) => events.push(event),
    });
    uploaders.push(uploader);
    return uploader;
  };
  const uploader = create();

  return {
    directory,
    clock,
    store,
    replica,
    events,
    lines,
    uploader,
    /** Another uploader on the same directory and store, as after a restart. */
    restart: create,
    /** Publishes local files without telling the uploader. */
    publish: async (...txids: number[]) => {
      for (let i = 0; i < txids.length; i += 32) {
        await Promise.all(txids.slice(i, i + 32).map((txid) => publishFile(directory, makeFile(txid, clock.now()))));
      }
    },
    /** Publishes a file and tells the uploader. */
    commit: async (txid: number, more: { full?: boolean; salt?: number } = {}): Promise<MadeFile> => {
      const file = await publishFile(directory, makeFile(txid, clock.now(), more));
      uploader.notify(file);
      return file;
    },
    /** Puts a file at the replica as somebody else would. */
    putRemote: async (txid: number, more: { full?: boolean; salt?: number; level?: 0 | 1 | 9; min?: number } = {}) => {
      const file = makeFile(txid, clock.now(), more);
      await replica.write(more.level ?? 0, toTXID(more.min ?? txid), file.txid, bytesBody(file.bytes), { createdAt: file.at });
      store.calls.length = 0;
      return file;
    },
    /** TXIDs of the replica's level-0 files. */
    remote: async (): Promise<number[]> => {
      const txids: number[] = [];
      for await (const { maxTXID } of new Replica(store.innermost, pathLayout).list(0)) txids.push(Number(maxTXID));
      return txids;
    },
    /** Waits, without moving the clock, until the position is known to be `txid`. */
    reaches: (txid: number, of: Uploader = uploader) => until(() => of.position === (toTXID(txid) as TXID), `the replica has TXID ${txid}`),
    happens: (type: UploadEvent['type'], count = 1) =>
      until(() => events.filter((event) => event.type === type).length >= count, `${count} times "${type}"`),
    /** Lets real input and output of a round end. */
    quiet: settleFiles,
    dispose: async () => {
      await Promise.all(uploaders.map((one) => one.close()));
      await temp.remove();
    },
  };
}

export type UploadSetup = Awaited<ReturnType<typeof uploadSetup>>;
