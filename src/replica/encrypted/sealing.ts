/** Makes the ciphertext of one replica's files and keeps it until it is confirmed there (docs/engine.md, Encryption; decision 22). */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { systemCode } from '../../base/system-error.ts';
import { type MadeHeader, makeHeader } from '../../formats/age/header.ts';
import { Sealer, sealBytes } from '../../formats/age/seal.ts';
import { LTX_TRAILER_SIZE } from '../../formats/ltx/trailer.ts';
import { bytesBody, chunksOf } from '../../storage/body.ts';
import type { PutBody } from '../../storage/object-store.ts';
import { type Fingerprint, isSameFile } from '../collision.ts';
import { type Receipt, Receipts } from './receipts.ts';
import { CipherStaging, type Staged, stagedBody, writeStaged } from './staging.ts';

/** Content of this many bytes and more is encrypted in another thread, where there is one (decision 5). */
const BIG_BYTES = 256 * 1024;
/** Bytes encrypted here at a stretch when there is no other thread. */
const STRETCH_BYTES = 1024 * 1024;

/** Plain data: may cross a thread. */
export interface SealRequest extends MadeHeader {
  /** Absolute path of a whole LTX file, which is verified on the way. */
  readonly input: string;
  /** Absolute path of the ciphertext to be made. */
  readonly output: string;
}

/** Plain data: may cross a thread. */
export interface SealResult {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Encrypts a file elsewhere. */
export type SealFile = (request: SealRequest, options: { readonly signal?: AbortSignal }) => Promise<SealResult>;

export interface SealingOptions {
  /** `age1…`, at least one. */
  readonly recipients: readonly string[];
  /** Absolute, for this replica alone: where ciphertext waits and what was put is remembered. Without it nothing survives a restart. */
  readonly directory?: string;
  readonly sealFile?: SealFile;
}

/** Ciphertext that is ready to be put, and put again. */
export interface Sealed {
  readonly body: PutBody;
  readonly receipt: Receipt;
}

export class Sealing {
  readonly receipts: Receipts;
  readonly #options: SealingOptions;
  readonly #staging: CipherStaging | undefined;
  #temporary: Promise<string> | undefined;

  constructor(options: SealingOptions) {
    this.#options = options;
    const { directory } = options;
    this.#staging = directory === undefined ? undefined : new CipherStaging(directory, options.recipients);
    this.receipts = new Receipts(directory === undefined ? undefined : join(directory, 'receipts'));
  }

  /** What a file of ours with this content may look like there: as it was put, or as it was about to be, also for earlier recipients. */
  async known(name: string, content: Fingerprint): Promise<readonly Fingerprint[]> {
    const files = (await this.#staging?.findAll(name, content)) ?? [];
    const staged = await Promise.all(files.map(endsUnlessGone));
    // Last: what is confirmed meanwhile goes from there and has its receipt by then.
    const receipt = await this.receipts.find(name);
    const put = receipt !== undefined && isSameFile(receipt.content, content) ? [receipt.stored] : [];
    return [...put, ...staged.filter((ends) => ends !== undefined)];
  }

  /** The ciphertext of `body`: what was made of the same content before and not confirmed yet, or new. */
  async seal(name: string, body: PutBody, signal: AbortSignal | undefined): Promise<Sealed> {
    const isBig = body.size === undefined || body.size >= BIG_BYTES;
    if (!isBig) return this.#sealSmall(name, await collect(body, name, signal));
    const content = body.path === undefined ? undefined : await endsOf({ path: body.path });
    const staged = content && (await this.#staging?.find(name, content));
    if (content !== undefined && staged !== undefined) return sealedOf(staged, content);
    return this.#sealBig(name, body, signal);
  }

  /** It is there: nothing has to be sent again. */
  async confirmed(name: string, receipt: Receipt): Promise<void> {
    await this.receipts.add(name, receipt);
    await this.forget(name);
  }

  /** Another file stands in its place. */
  async forget(name: string): Promise<void> {
    await this.#staging?.drop(name);
    const temporary = await this.#temporary;
    if (temporary !== undefined) await rm(join(temporary, name), { force: true });
  }

  /** Removes what cannot be of use to another process. */
  async close(): Promise<void> {
    const temporary = await this.#temporary;
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }

  async #sealSmall(name: string, bytes: Uint8Array): Promise<Sealed> {
    const content = { size: bytes.length, trailer: bytes.slice(-LTX_TRAILER_SIZE) };
    const staged = await this.#staging?.find(name, content);
    if (staged !== undefined) return sealedOf(staged, content);
    const sealed = sealBytes(bytes, await makeHeader(this.#options.recipients));
    await this.#staging?.keepBytes(name, content, sealed);
    return { body: bytesBody(sealed), receipt: { content, stored: { size: sealed.length, trailer: sealed.slice(-LTX_TRAILER_SIZE) } } };
  }

  async #sealBig(name: string, body: PutBody, signal: AbortSignal | undefined): Promise<Sealed> {
    const output = await this.#scratch(name);
    const made = await makeHeader(this.#options.recipients);
    const { sealFile } = this.#options;
    let content: Fingerprint;
    let result: SealResult;
    try {
      if (sealFile !== undefined && body.path !== undefined) {
        result = await sealFile({ ...made, input: body.path, output }, signal === undefined ? {} : { signal });
        content = await endsOf({ path: body.path });
      } else {
        const ends = new Ends();
        result = await writeStaged(output, inStretches(sealedChunks(ends.pass(chunksOf(body, name, signal)), made)));
        content = ends.fingerprint;
      }
    } catch (error) {
      await rm(output, { force: true });
      throw error;
    }
    const staged = { path: output, ...result };
    return sealedOf((await this.#staging?.keep(name, content, staged)) ?? staged, content);
  }

  async #scratch(name: string): Promise<string> {
    if (this.#staging !== undefined) return this.#staging.scratch(name);
    this.#temporary ??= mkdtemp(join(tmpdir(), 'litestream-sealed-'));
    return join(await this.#temporary, name);
  }
}

async function sealedOf(staged: Staged, content: Fingerprint): Promise<Sealed> {
  return { body: stagedBody(staged), receipt: { content, stored: await endsOf(staged) } };
}

/** Age chunks of content that comes in pieces. */
export async function* sealedChunks(content: AsyncIterable<Uint8Array>, made: MadeHeader): AsyncGenerator<Uint8Array, void, void> {
  const sealer = new Sealer(made);
  yield* sealer.begin();
  for await (const chunk of content) yield* sealer.push(chunk);
  yield* sealer.end();
}

/** Others get a turn between two stretches. */
async function* inStretches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let done = 0;
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk.length;
    if (done < STRETCH_BYTES) continue;
    done = 0;
    await setImmediate();
  }
}

async function collect(body: PutBody, name: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(body, name, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Size and last bytes of what passes. */
class Ends {
  #size = 0;
  #trailer: Uint8Array = new Uint8Array(0);

  get fingerprint(): Fingerprint {
    return { size: this.#size, trailer: this.#trailer };
  }

  async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of chunks) {
      this.#size += chunk.length;
      this.#trailer = Buffer.concat([this.#trailer, chunk.subarray(-LTX_TRAILER_SIZE)]).subarray(-LTX_TRAILER_SIZE);
      yield chunk;
    }
  }
}

async function endsUnlessGone(file: { readonly path: string }): Promise<Fingerprint | undefined> {
  try {
    return await endsOf(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function endsOf({ path }: { readonly path: string }): Promise<Fingerprint> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const trailer = Buffer.alloc(Math.min(size, LTX_TRAILER_SIZE));
    await handle.read(trailer, 0, trailer.length, size - trailer.length);
    return { size, trailer };
  } finally {
    await handle.close();
  }
}
