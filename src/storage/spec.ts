/** Where a store is: plain data that may cross a thread, so that a job worker can open its own client. */

export interface FileStoreSpec {
  readonly type: 'file';
  /** Absolute directory. */
  readonly path: string;
}

/** One member per back end; each is declared here and opened by the registry. */
export type StoreSpec = FileStoreSpec;
