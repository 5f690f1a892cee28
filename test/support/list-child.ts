/** A process that opens the store in its first argument, lists it, and prints what came of it and which of some packages it loaded. */

import { registerHooks } from 'node:module';
import { errorToData } from '../../src/base/errors.ts';
import type { StoreSpec } from '../../src/storage/spec.ts';

export interface ChildAnswer {
  readonly keys?: readonly string[];
  readonly error?: ReturnType<typeof errorToData>;
  /** Packages of clouds, as they are imported, sorted. */
  readonly packages: readonly string[];
}

const packages = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const name = /^@(?:azure|google-cloud|aws-sdk)\/[\w-]+/.exec(specifier)?.[0];
    // What a package loads of its own kin is its own affair.
    if (name !== undefined && context.parentURL?.includes('/node_modules/') !== true) packages.add(name);
    return next(specifier, context);
  },
});

const { openStore } = await import('../../src/storage/registry.ts');
const spec = JSON.parse(process.argv[2] ?? 'null') as StoreSpec | null;
const answer: { keys?: string[]; error?: ReturnType<typeof errorToData> } = {};
if (spec !== null) {
  const store = await openStore(spec);
  try {
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    answer.keys = keys;
  } catch (error) {
    answer.error = errorToData(error);
  }
  await store.close();
}
console.log(JSON.stringify({ ...answer, packages: [...packages].sort() }));
