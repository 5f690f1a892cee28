/** How far long work is. */

export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'pages' | 'files';
  /** For a person. */
  readonly message: string;
}
