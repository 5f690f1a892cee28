/** Versions of objects, and puts that depend on them. */

import { hasCode, LitestreamError } from '../../base/errors.ts';
import type { PutOptions } from '../object-store.ts';
import type { Provider } from './providers.ts';

/** The opaque tag of an ETag: without its quotes, which some services want back and others do not understand. */
export function tagOf(etag: string | undefined): string | undefined {
  const tag = etag?.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
  return tag === undefined || tag === '' ? undefined : tag;
}

export interface Condition {
  readonly IfNoneMatch?: '*';
  readonly IfMatch?: string;
}

/**
 * The conditions of one store. A service that once said it knows none is not asked again.
 *
 * Where it is not known how a service wants an ETag, the standard's form is tried first and the bare one after a refusal, until one of them
 * has succeeded. Both name the same version, so there is never a second winner; a service that ignored the bare form would be found out by
 * the probe of conditions, which comes the same way.
 */
export class Conditions {
  readonly #provider: Provider;
  #form: 'quoted' | 'bare' | undefined;
  #refused = false;

  constructor(provider: Provider) {
    this.#provider = provider;
    this.#form = provider.etagForm === 'quoted' ? 'quoted' : undefined;
  }

  /** NOT_SUPPORTED, before anything is read or sent, for a condition the service does not know. */
  check(key: string, { ifAbsent = false, ifMatch }: PutOptions): void {
    if (!ifAbsent && ifMatch === undefined) return;
    const { conditionalPut, conditionalReplace } = this.#provider;
    if (this.#refused || (ifAbsent && !conditionalPut) || (ifMatch !== undefined && !conditionalReplace)) throw this.#unsupported(key);
  }

  /** Runs `put` with the headers of a condition. */
  async run<T>(key: string, { ifAbsent = false, ifMatch }: PutOptions, put: (condition: Condition) => Promise<T>): Promise<T> {
    if (!ifAbsent && ifMatch === undefined) return put({});
    try {
      return ifMatch === undefined ? await decided(() => put({ IfNoneMatch: '*' })) : await this.#replace(ifMatch, put);
    } catch (error) {
      if (hasCode(error, 'NOT_SUPPORTED')) {
        this.#refused = true;
        throw this.#unsupported(key, error);
      }
      // The version is gone with its object.
      if (ifMatch === undefined || !hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
      throw new LitestreamError('PRECONDITION_FAILED', error.message, {
        cause: error,
        ...(error.details === undefined ? {} : { details: error.details }),
      });
    }
  }

  async #replace<T>(tag: string, put: (condition: Condition) => Promise<T>): Promise<T> {
    for (const form of this.#form === undefined ? (['quoted', 'bare'] as const) : [this.#form]) {
      try {
        const done = await decided(() => put({ IfMatch: form === 'quoted' ? `"${tag}"` : tag }));
        this.#form = form;
        return done;
      } catch (error) {
        if (form === 'bare' || this.#form !== undefined || !hasCode(error, 'PRECONDITION_FAILED')) throw error;
      }
    }
    throw new LitestreamError('INTERNAL', 'no form of an ETag was tried');
  }

  #unsupported(key: string, cause?: unknown): LitestreamError {
    return new LitestreamError('NOT_SUPPORTED', `cannot write ${key} under a condition: ${this.#provider.name} has no such put`, {
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** Words for "two conditional writes met"; the last is what a RADOS Gateway has to say to the loser. */
const CONFLICTS: ReadonlySet<unknown> = new Set(['ConditionalRequestConflict', 'OperationAborted', 'UnknownError']);
const CONFLICT_ATTEMPTS = 3;

/** Asks again until the service has made up its mind: the condition makes repeating safe. */
async function decided<T>(put: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await put();
    } catch (error) {
      const conflict = hasCode(error, 'STORAGE_UNAVAILABLE') && CONFLICTS.has(error.details?.provider);
      if (!conflict || attempt >= CONFLICT_ATTEMPTS) throw error;
    }
  }
}
