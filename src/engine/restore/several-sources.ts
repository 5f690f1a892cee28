/** Several replicas of one database as one source: each file from the best of them that has it whole (docs/engine.md, Several replicas). */

import { type ErrorCode, errorToData, LitestreamError } from '../../base/errors.ts';
import { formatTXID, NO_TXID } from '../../formats/ltx/txid.ts';
import { byRange, describeFile, type FileInfo, fileKey, type Level } from '../../replica/file-info.ts';
import { listLevel } from '../../replica/list-level.ts';
import type { CallOptions, OpenedObject, OpenOptions } from '../../storage/object-store.ts';
import type { RestorePlan } from './plan.ts';
import { agreeAt, type Party } from './shared-history.ts';
import type { FlexibleSource, RestoreSource } from './source.ts';

/** What each replica gave. Plain data: may cross a thread. */
export interface SourceReport {
  readonly taken: readonly { readonly from: string; readonly files: number; readonly bytes: number }[];
  /** Files that could not be used. */
  readonly discarded: readonly { readonly from: string; readonly file: string; readonly code: ErrorCode }[];
  /** Replicas that could not be listed or stopped answering. */
  readonly lost: readonly { readonly from: string; readonly code: ErrorCode; readonly message: string }[];
  /** States up to which two replicas could not be shown to be of one history, so that their files were not put together. */
  readonly unproven: readonly { readonly from: string; readonly with: string; readonly txid: string }[];
}

export interface NamedSource {
  readonly name: string;
  /** Called when it is first needed; who opens it closes it. */
  readonly open: () => Promise<RestoreSource>;
}

export interface SeveralSourcesOptions {
  /** The first one is the one that was chosen. */
  readonly sources: readonly NamedSource[];
  /** Lists all of them from the beginning. Default: the first one, and the others when it does not suffice. */
  readonly combine?: boolean;
}

interface Member extends NamedSource {
  readonly index: number;
  source: RestoreSource | undefined;
  files: Map<string, FileInfo>;
}

/** The fault lies with the destination, not with the file. */
const LOST: ReadonlySet<ErrorCode> = new Set([
  'STORAGE_UNAVAILABLE',
  'STORAGE_THROTTLED',
  'TIMEOUT',
  'ACCESS_DENIED',
  'CONTAINER_NOT_FOUND',
  'IDENTITY_REQUIRED',
]);
const DAMAGED: ReadonlySet<ErrorCode> = new Set([
  'LTX_INVALID',
  'LTX_CHECKSUM_MISMATCH',
  'LTX_TRUNCATED',
  'OBJECT_NOT_FOUND',
  'READ_TRUNCATED',
]);

export class SeveralSources implements FlexibleSource {
  readonly #members: Member[];
  readonly #bad = new Set<string>();
  readonly #lost = new Map<number, SourceReport['lost'][number]>();
  readonly #discarded: SourceReport['discarded'][number][] = [];
  readonly #unproven: SourceReport['unproven'][number][] = [];
  #giver = new Map<string, Member>();
  readonly #combine: boolean;
  #isJoined: boolean;

  constructor({ sources, combine = false }: SeveralSourcesOptions) {
    this.#members = sources.map((one, index) => ({ ...one, index, source: undefined, files: new Map() }));
    this.#combine = combine;
    this.#isJoined = combine && sources.length > 1;
  }

  async *list(level: Level, options: CallOptions & { readonly exactTimes?: boolean } = {}): AsyncGenerator<FileInfo, void, undefined> {
    const found = new Map<string, FileInfo>();
    for (const member of this.#used()) {
      for (const file of await this.#listOne(member, level, options)) {
        const key = fileKey(file);
        if (!this.#bad.has(badKey(member, key)) && !found.has(key)) found.set(key, file);
      }
    }
    yield* [...found.values()].sort(byRange);
  }

  async open(file: FileInfo, options?: OpenOptions): Promise<OpenedObject> {
    return (await this.#opened(this.#giverOf(file))).open(file, options);
  }

  async contentSize(file: FileInfo, options?: CallOptions): Promise<number> {
    const giver = this.#giverOf(file);
    // The size it was listed with may be that of another one's copy.
    return (await this.#opened(giver)).contentSize(giver.files.get(fileKey(file)) ?? file, options);
  }

  localPath(file: FileInfo): string | undefined {
    return this.#giverOf(file).source?.localPath?.(file);
  }

  /** Prefers to stay with one replica; goes over to another only where both provably are at the same state. */
  async settle({ files }: RestorePlan, signal: AbortSignal): Promise<boolean> {
    this.#giver = new Map();
    if (!this.#isJoined) {
      const [first] = this.#members;
      if (first !== undefined) await this.#opened(first);
      return true;
    }
    const ways: Map<Member, Member | undefined>[] = [];
    for (const [at, file] of files.entries()) {
      const before = ways.at(-1);
      const way = new Map<Member, Member | undefined>();
      const holders = this.#holders(file);
      for (const member of holders) {
        const from = before === undefined || file.minTXID <= 1n ? null : await this.#wayFrom(before, member, files[at - 1], signal);
        if (from !== undefined) way.set(member, from ?? undefined);
      }
      if (way.size === 0) {
        for (const member of holders) this.#bad.add(badKey(member, fileKey(file)));
        return false;
      }
      ways.push(way);
    }
    if (!this.#combine && !(await this.#keepPromised(files, ways, signal))) return false;
    this.#choose(files, ways);
    return true;
  }

  /** The state was promised of the chosen replica: another one may end the chain only if it is there at the same state. */
  async #keepPromised(files: readonly FileInfo[], ways: readonly Map<Member, Member | undefined>[], signal: AbortSignal): Promise<boolean> {
    const [chosen] = this.#members;
    const last = files.at(-1);
    const ends = ways.at(-1);
    if (chosen === undefined || last === undefined || ends === undefined) return true;
    for (const member of [...ends.keys()]) {
      if (member === chosen || (await this.#agree(chosen, member, last.maxTXID, signal))) continue;
      ends.delete(member);
      this.#bad.add(badKey(member, fileKey(last)));
    }
    return ends.size > 0;
  }

  discard(file: FileInfo, error: unknown): boolean {
    const member = this.#giverOf(file);
    const { code, message } = errorToData(error);
    if (LOST.has(code)) {
      // With the chosen one out of reach nothing could be compared with it.
      if (member.index === 0) return false;
      this.#lost.set(member.index, { from: member.name, code, message });
      return true;
    }
    if (!DAMAGED.has(code) || this.#bad.has(badKey(member, fileKey(file)))) return false;
    this.#bad.add(badKey(member, fileKey(file)));
    this.#discarded.push({ from: member.name, file: describeFile(file), code });
    this.widen();
    return true;
  }

  widen(): boolean {
    if (this.#isJoined || this.#members.length < 2) return false;
    this.#isJoined = true;
    return true;
  }

  /** Why files were not put together, when they were not: a sentence for the error. */
  get refusal(): string | undefined {
    const last = this.#unproven.at(-1);
    if (last === undefined) return undefined;
    return `nothing shows that ${last.from} and ${last.with} hold one history at TXID ${last.txid}, so their files are not put together; each can be restored by itself, with -replica`;
  }

  /** To be asked after the restore; `plan` is the one that was carried out. */
  report({ files }: RestorePlan): SourceReport {
    const taken = this.#members.flatMap((member) => {
      const given = files.filter((file) => this.#giverOf(file) === member);
      return given.length === 0 ? [] : [{ from: member.name, files: given.length, bytes: given.reduce((sum, { size }) => sum + size, 0) }];
    });
    return { taken, discarded: this.#discarded, lost: [...this.#lost.values()], unproven: this.#unproven };
  }

  #used(): Member[] {
    return this.#members.filter(({ index }) => !this.#lost.has(index) && (this.#isJoined || index === 0));
  }

  #holders(file: FileInfo): Member[] {
    const key = fileKey(file);
    return this.#used().filter((member) => member.files.has(key) && !this.#bad.has(badKey(member, key)));
  }

  #giverOf(file: FileInfo): Member {
    const member = this.#giver.get(fileKey(file)) ?? this.#members[0];
    if (member === undefined) throw new LitestreamError('INTERNAL', 'restoring from no replica');
    return member;
  }

  /** Which replica the chain may come from to `member` behind `previous`; undefined when from none. */
  async #wayFrom(
    before: ReadonlyMap<Member, Member | undefined>,
    member: Member,
    previous: FileInfo | undefined,
    signal: AbortSignal,
  ): Promise<Member | undefined> {
    if (before.has(member)) return member;
    const txid = previous?.maxTXID ?? NO_TXID;
    for (const other of before.keys()) {
      if (await this.#agree(other, member, txid, signal)) return other;
    }
    return undefined;
  }

  async #agree(a: Member, b: Member, txid: FileInfo['maxTXID'], signal: AbortSignal): Promise<boolean> {
    const [one, other] = [this.#party(a), this.#party(b)];
    if (one !== undefined && other !== undefined && (await agreeAt(one, other, txid, signal))) return true;
    this.#unproven.push({ from: b.name, with: a.name, txid: formatTXID(txid) });
    return false;
  }

  #party(member: Member): Party | undefined {
    const { source, files } = member;
    if (source === undefined) return undefined;
    return { source, files: [...files.values()], isDamaged: (file) => this.#bad.has(badKey(member, fileKey(file))) };
  }

  #choose(files: readonly FileInfo[], ways: readonly ReadonlyMap<Member, Member | undefined>[]): void {
    let member = [...(ways.at(-1)?.keys() ?? [])].sort((a, b) => a.index - b.index)[0];
    for (let at = files.length - 1; at >= 0; at -= 1) {
      const file = files[at];
      const way = ways[at];
      if (file === undefined || way === undefined || member === undefined) return;
      this.#giver.set(fileKey(file), member);
      const from = way.get(member);
      member = from ?? [...(ways[at - 1]?.keys() ?? [])].sort((a, b) => a.index - b.index)[0];
    }
  }

  async #listOne(member: Member, level: Level, options: CallOptions & { readonly exactTimes?: boolean }): Promise<FileInfo[]> {
    let files: FileInfo[];
    try {
      files = await listLevel(await this.#opened(member), level, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      // The only one, or the chosen one before anything else was found wrong: its own error is the answer.
      if (!this.#isJoined || member.index === 0) throw error;
      const { code, message } = errorToData(error);
      this.#lost.set(member.index, { from: member.name, code, message });
      if (this.#used().length === 0) throw error;
      return [];
    }
    for (const [key, file] of member.files) if (file.level === level) member.files.delete(key);
    for (const file of files) member.files.set(fileKey(file), file);
    return files;
  }

  async #opened(member: Member): Promise<RestoreSource> {
    member.source ??= await member.open();
    return member.source;
  }
}

const badKey = ({ index }: Member, key: string): string => `${index}:${key}`;
