/** How much memory outside of the JavaScript heap is really held: what could be collected is collected first. */

/** Frees what nobody holds. What one collection finds is freed beside the program, which the next one waits for. */
export function collect(): void {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('tests run with --expose-gc');
  gc();
  gc();
}

/** Notes the most that was held in buffers, bytes above what was held when it was made. */
export class LiveBuffers {
  readonly #base: number;
  #most = 0;

  constructor() {
    collect();
    this.#base = process.memoryUsage().arrayBuffers;
  }

  look(): void {
    collect();
    this.#most = Math.max(this.#most, process.memoryUsage().arrayBuffers - this.#base);
  }

  get most(): number {
    return this.#most;
  }
}
