/** What this database once had at a destination, remembered across restarts, so that an unmounted or emptied one is noticed. */

import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import { formatTXID, parseTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Fingerprint } from '../../replica/collision.ts';

/** Least distance between two writes, ms: the mark is a lower bound and need not be exact. */
const WRITE_INTERVAL_MS = 60_000;

/** A snapshot up to `txid` that was about to be put: whether it arrived is not known. */
export interface PendingSnapshot extends Fingerprint {
  readonly txid: TXID;
}

/** Forgets what was uploaded anywhere. Only for the owner of the metadata directory. */
export async function forgetUploads(metaPath: string): Promise<void> {
  const names = (await readdir(metaPath)).filter((name) => /^uploaded-.*\.json$/.test(name));
  await Promise.all(names.map((name) => rm(join(metaPath, name), { force: true })));
}

export class UploadMark {
  readonly path: string;
  readonly #destination: string;
  readonly #log: Logger;
  #written: TXID | undefined;
  #proven: TXID | undefined;
  #pending: PendingSnapshot | undefined;
  /** As it stands in the mark. */
  #recorded: PendingSnapshot | undefined;
  /** One write after the other: they share a temporary file, and the last one must win. */
  #writing: Promise<void> = Promise.resolve();
  #writtenAt = Number.NEGATIVE_INFINITY;

  /**
   * @param metaPath metadata directory; nothing is remembered when it does not exist.
   * @param replica name of the replica.
   * @param destination a mark of another destination counts as none.
   */
  constructor(metaPath: string, replica: string, destination: string, log: Logger) {
    this.path = join(metaPath, `uploaded-${encodeURIComponent(replica)}.json`);
    this.#destination = destination;
    this.#log = log;
  }

  /** The TXID that was at the destination when the mark was written; undefined when there is no readable mark. */
  async read(): Promise<TXID | undefined> {
    try {
      const { destination, txid, history, snapshot } = JSON.parse(await readFile(this.path, 'utf8'));
      if (destination !== this.#destination) return this.#written;
      if (typeof txid === 'string') this.#written = parseTXID(txid);
      if (typeof history === 'string') this.#proven = parseTXID(history);
      if (snapshot !== undefined)
        this.#pending = { txid: parseTXID(snapshot.txid), size: Number(snapshot.size), trailer: Buffer.from(snapshot.trailer, 'hex') };
      this.#recorded = this.#pending;
    } catch (error) {
      this.#log.log('debug', 'no mark of earlier uploads', { path: this.path, reason: String(error) });
    }
    return this.#written;
  }

  /** Forgets, on disk too. */
  async remove(): Promise<void> {
    await this.#writing;
    this.#written = undefined;
    this.#proven = undefined;
    this.#pending = undefined;
    this.#recorded = undefined;
    this.#writtenAt = Number.NEGATIVE_INFINITY;
    await rm(this.path, { force: true });
  }

  /** Up to where our own history was seen there, when the mark says so. */
  get proven(): TXID | undefined {
    return this.#proven;
  }

  /** The snapshot that was under way last. */
  get pending(): PendingSnapshot | undefined {
    return this.#pending;
  }

  /** `snapshot` is about to be put. Part of the mark from the next write on. */
  expects(snapshot: PendingSnapshot): void {
    this.#pending = snapshot;
  }

  /**
   * Remembers that `txid` was there, and up to where the history is known to be ours. At most once a minute unless `force` is set. Best
   * effort: without a mark there is a warning less, or a snapshot more.
   */
  write(txid: TXID, proven: TXID | undefined, now: number, { force = false } = {}): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(txid, proven, now, force));
    return this.#writing;
  }

  async #write(txid: TXID, proven: TXID | undefined, now: number, force: boolean): Promise<void> {
    const pending = this.#pending;
    const isKnown = txid === this.#written && proven === this.#proven && pending === this.#recorded;
    if (isKnown || (!force && now - this.#writtenAt < WRITE_INTERVAL_MS)) return;
    this.#writtenAt = now;
    try {
      const history = proven === undefined ? {} : { history: formatTXID(proven) };
      const mark = {
        destination: this.#destination,
        txid: formatTXID(txid),
        ...history,
        ...snapshotIn(pending),
        at: new Date(now).toISOString(),
      };
      await writeFile(`${this.path}.tmp`, `${JSON.stringify(mark)}\n`, { mode: 0o600 });
      await rename(`${this.path}.tmp`, this.path);
      this.#written = txid;
      this.#proven = proven;
      this.#recorded = pending;
    } catch (error) {
      this.#log.log('debug', 'the mark of uploads could not be written', { path: this.path, reason: String(error) });
    }
  }
}

function snapshotIn(pending: PendingSnapshot | undefined) {
  if (pending === undefined) return {};
  const { txid, size, trailer } = pending;
  return { snapshot: { txid: formatTXID(txid), size, trailer: Buffer.from(trailer).toString('hex') } };
}
