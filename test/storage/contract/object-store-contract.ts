/** What every object store promises (src/storage/object-store.ts), as a suite run against each. */

import { afterEach, beforeEach, describe } from 'vitest';
import type { ObjectStore, StoreCapabilities } from '../../../src/storage/object-store.ts';
import { abortContract } from './abort.ts';
import { deleteContract } from './delete.ts';
import { listContract } from './list.ts';
import { openContract } from './open.ts';
import { putContract } from './put.ts';
import { replaceContract } from './replace.ts';

export interface ContractStore {
  readonly store: ObjectStore;
  /** Closes the store and removes what it left. */
  dispose(): Promise<void>;
}

export interface ContractOptions {
  readonly name: string;
  /** Keys are names and not paths: those that begin with `/` or `./`, or hold `//`, are taken as they are. */
  readonly oddKeys?: boolean;
  /** A slash that a key begins with is part of its name; otherwise keys are clean. */
  readonly rootedKeys?: boolean;
  /** A new, empty store. */
  readonly create: () => Promise<ContractStore>;
  readonly capabilities: StoreCapabilities;
}

export interface ContractContext {
  /** The store of the running test. */
  readonly store: () => ObjectStore;
  readonly capabilities: StoreCapabilities;
  readonly oddKeys: boolean;
  readonly rootedKeys: boolean;
}

export function objectStoreContract({ name, create, capabilities, oddKeys = false, rootedKeys = false }: ContractOptions): void {
  describe(`object store contract: ${name}`, () => {
    let current: ContractStore | undefined;
    beforeEach(async () => {
      current = await create();
    });
    afterEach(async () => {
      await current?.dispose();
    });
    const context: ContractContext = {
      store: () => {
        if (current === undefined) throw new Error('no store');
        return current.store;
      },
      capabilities,
      oddKeys,
      rootedKeys,
    };
    listContract(context);
    openContract(context);
    putContract(context);
    replaceContract(context);
    deleteContract(context);
    abortContract(context);
  });
}
