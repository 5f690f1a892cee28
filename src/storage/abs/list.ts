/** Listing a container, page by page, in the order of names. */

import type { BlobItem, ContainerClient } from '@azure/storage-blob';
import { isRestError } from '@azure/storage-blob';
import { compareKeys } from '../key.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import { type Doing, foreign } from './errors.ts';

const PAGE_BLOBS = 5000;

/** Runs one request and gives its failure our code; `tolerate` may answer in its stead. */
export type Request = <T, U>(send: () => Promise<T>, tolerate: (error: unknown) => U | undefined) => Promise<T | U>;

interface Context {
  readonly doing: Doing;
  readonly request: Request;
  readonly signal: AbortSignal | undefined;
}

interface Wanted {
  readonly prefix: string;
  readonly after: string | undefined;
}

interface Page {
  readonly blobs: readonly BlobItem[];
  readonly next: string | undefined;
}

/** Lists with memory of whether the service can begin at a key. */
export class Lister {
  #startsFrom = true;

  /** Blobs below `prefix` after `after`, by code point. A service that does not begin there, or says that it cannot, is filtered. */
  blobs(container: ContainerClient, wanted: Wanted, context: Context): AsyncGenerator<BlobItem> {
    return byCodePoint(this.#blobs(container, wanted, context), wanted.prefix.length);
  }

  async *#blobs(container: ContainerClient, { prefix, after }: Wanted, context: Context): AsyncGenerator<BlobItem> {
    let marker: string | undefined;
    do {
      const page = await this.#page(container, { prefix, after }, marker, context);
      for (const blob of page.blobs) {
        if (blob.name.startsWith(prefix) && (after === undefined || compareKeys(blob.name, after) > 0) && !isDirectory(blob)) yield blob;
      }
      if (page.next !== undefined && page.next === marker) throw foreign(context.doing, 'the listing goes round in circles');
      marker = page.next;
    } while (marker !== undefined);
  }

  async #page(container: ContainerClient, { prefix, after }: Wanted, marker: string | undefined, context: Context): Promise<Page> {
    const { doing, request, signal } = context;
    // Inclusive, and refused where it lies outside of the prefix.
    const isUsable = this.#startsFrom && after?.startsWith(prefix) === true && !isDisputed(after, prefix.length);
    const startFrom = isUsable ? { startFrom: after } : {};
    const options = { prefix, includeMetadata: true, ...startFrom, ...(signal === undefined ? {} : { abortSignal: signal }) };
    const settings = { maxPageSize: PAGE_BLOBS, ...(marker === undefined ? {} : { continuationToken: marker }) };
    const answer = await request(
      () => container.listBlobsFlat(options).byPage(settings).next(),
      (error) => ('startFrom' in startFrom && isRefusedParameter(error) ? 'again' : undefined),
    );
    if (answer === 'again') {
      this.#startsFrom = false;
      return this.#page(container, { prefix, after }, marker, context);
    }
    const page = answer.value;
    // Only the root element of a listing carries these two; anything else would look like an empty replica.
    if (page?.segment?.blobItems === undefined || !page.serviceEndpoint || !page.containerName) {
      throw foreign(doing, `the answer is no listing but ${inAFewWords(page?.contentType, page?._response?.bodyAsText)}`);
    }
    return { blobs: page.segment.blobItems, next: page.continuationToken === '' ? undefined : page.continuationToken };
  }
}

const isRefusedParameter = (error: unknown): boolean =>
  isRestError(error) && error.statusCode === 400 && /Parameter|QueryParameter/.test(error.response?.headers.get('x-ms-error-code') ?? '');

/** Accounts with a hierarchical namespace list directories as empty blobs. */
const isDirectory = ({ metadata }: BlobItem): boolean => metadata?.hdi_isfolder?.toLowerCase() === 'true';

/** Whether the order of UTF-16 units, in which some servers of this protocol list, could place a name differently than code points do. */
function isDisputed(name: string, from: number): boolean {
  for (let at = from; at < name.length; at++) if (name.charCodeAt(at) >= 0xd800) return true;
  return false;
}

/**
 * Names in the order of code points, whichever of the two orders they come in. Names that change places share what stands before their first
 * different unit, and so does everything between them: they stand in one run of disputed names, which is all that has to be held.
 */
async function* byCodePoint(blobs: AsyncIterable<BlobItem>, from: number): AsyncGenerator<BlobItem> {
  let run: BlobItem[] = [];
  for await (const blob of blobs) {
    if (isDisputed(blob.name, from)) {
      run.push(blob);
      continue;
    }
    if (run.length > 0) yield* run.sort((a, b) => compareKeys(a.name, b.name));
    run = [];
    yield blob;
  }
  yield* run.sort((a, b) => compareKeys(a.name, b.name));
}
