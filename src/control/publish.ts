/** Gives a restored file its final name without ever replacing anything (docs/mcp.md, A restore takes two calls). */

import { chmod, constants, type FileHandle, link, mkdtemp, open, rename, rm, unlink } from 'node:fs/promises';
import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { systemCode } from '../base/system-error.ts';
import { PRIVATE_PREFIX } from './allowed-directories.ts';
import { factsOf, type Identity, sameIdentity } from './file-identity.ts';
import type { OutputTarget } from './output-path.ts';
import { SIDE_FILES } from './protected-paths.ts';

/** Answers of file systems that have no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']);

/** A directory only we can enter, next to the future file, in which a restore works until its result is proven. */
export class PrivateDirectory {
  /** Where the restore writes; nothing is there yet. */
  readonly file: string;
  readonly #directory: string;
  readonly #target: OutputTarget;

  private constructor(directory: string, target: OutputTarget) {
    this.#directory = directory;
    this.#target = target;
    this.file = path.join(directory, path.basename(target.path));
  }

  /** Made in the allowed directory, or in the file's own where that is another file system. */
  static async create(target: OutputTarget): Promise<PrivateDirectory> {
    const sameDevice = target.allowed.identity.dev === target.parent.dev;
    const home = sameDevice ? target.allowed.real : path.dirname(target.path);
    return new PrivateDirectory(await mkdtemp(path.join(home, `${PRIVATE_PREFIX}${process.pid}-`)), target);
  }

  /**
   * Links the finished file to its final name and makes that durable.
   *
   * OUTPUT_EXISTS when the name was taken meanwhile; PLAN_CHANGED when the directory is not the one that was checked.
   */
  async publish(): Promise<void> {
    await Promise.all(SIDE_FILES.map((suffix) => rm(this.file + suffix, { force: true })));
    await chmod(this.file, 0o600);
    const source = await factsOf(this.file);
    if (!source?.isFile() || source.nlink !== 1n)
      throw new LitestreamError('INTERNAL', `the restored file ${this.file} is not where it was written`);
    const parent = await PinnedDirectory.open(path.dirname(this.#target.path), this.#target.parent);
    try {
      const final = parent.at(path.basename(this.#target.path));
      await refuseSideFiles(final, this.#target.path);
      await linkOrReserve(this.file, final, this.#target.path);
      await parent.sync();
    } finally {
      await parent.close();
    }
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A directory held open, so that what happens in it cannot be led elsewhere by a link that replaces its path. */
class PinnedDirectory {
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(handle: FileHandle, directory: string) {
    this.#handle = handle;
    this.#path = directory;
  }

  static async open(directory: string, expected: Identity): Promise<PinnedDirectory> {
    try {
      const handle = await open(directory, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0));
      const facts = await handle.stat({ bigint: true });
      if (sameIdentity(facts, expected)) return new PinnedDirectory(handle, directory);
      await handle.close();
    } catch (cause) {
      throw directoryChanged(directory, cause);
    }
    throw directoryChanged(directory);
  }

  /** Path of a name in this very directory; elsewhere than on Linux the best there is. */
  at(name: string): string {
    return process.platform === 'linux' ? `/proc/self/fd/${this.#handle.fd}/${name}` : path.join(this.#path, name);
  }

  async sync(): Promise<void> {
    // Windows cannot flush a directory.
    if (process.platform !== 'win32') await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function linkOrReserve(source: string, final: string, shown: string): Promise<void> {
  try {
    await link(source, final);
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') throw taken(shown, cause);
    if (!NO_LINKS.has(systemCode(cause) ?? '')) throw cause;
    await reserveAndRename(source, final, shown);
  }
}

/** Without hard links: the name is taken with an empty file of our own, which the rename then replaces. */
async function reserveAndRename(source: string, final: string, shown: string): Promise<void> {
  const handle = await open(final, 'wx', 0o600).catch((cause: unknown) => {
    throw systemCode(cause) === 'EEXIST' ? taken(shown, cause) : cause;
  });
  const reserved = await handle.stat({ bigint: true });
  await handle.close();
  const now = await factsOf(final);
  if (now === undefined || !sameIdentity(now, reserved) || now.size !== 0n) throw taken(shown);
  try {
    await rename(source, final);
  } catch (error) {
    await unlink(final);
    throw error;
  }
}

async function refuseSideFiles(final: string, shown: string): Promise<void> {
  for (const suffix of SIDE_FILES) if ((await factsOf(final + suffix)) !== undefined) throw taken(shown + suffix);
}

function taken(shown: string, cause?: unknown): LitestreamError {
  return new LitestreamError('OUTPUT_EXISTS', `${shown} appeared while the restore was running; it was left as it is`, {
    cause,
    details: { path: shown },
    hint: 'Plan again with another name.',
  });
}

function directoryChanged(directory: string, cause?: unknown): LitestreamError {
  return new LitestreamError('PLAN_CHANGED', `the directory ${directory} was replaced while the restore was running`, {
    cause,
    details: { changed: 'output' },
    hint: 'Make a new plan with restore_plan.',
  });
}
