/** Where a store is: plain data that may cross a thread, so that a job worker can open its own client. */

export interface FileStoreSpec {
  readonly type: 'file';
  /** Absolute directory. */
  readonly path: string;
  /** Permission bits of files, default 0600. */
  readonly fileMode?: number;
  /** Permission bits of directories that are made, default 0700. */
  readonly directoryMode?: number;
  /** Given to what is made, as far as permitted. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** One member per back end; each is declared here and opened by the registry. */
export type StoreSpec = FileStoreSpec;
