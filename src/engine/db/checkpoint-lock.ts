/** Keeps checkpoints away while pages of the live database are copied; neither side waits for the other (docs/engine.md, Opening). */

export class CheckpointLock {
  #shared = 0;
  #exclusive = false;
  #idle: (() => void)[] = [];

  get isShared(): boolean {
    return this.#shared > 0;
  }

  /** For a copy. Returns the release, safe to call twice; undefined while a checkpoint runs. */
  tryShared(): (() => void) | undefined {
    if (this.#exclusive) return undefined;
    this.#shared++;
    return once(() => {
      this.#shared--;
      if (this.#shared > 0) return;
      for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  /** For a checkpoint; undefined while a copy or another checkpoint runs: then it is skipped. */
  tryExclusive(): (() => void) | undefined {
    if (this.#exclusive || this.#shared > 0) return undefined;
    this.#exclusive = true;
    return once(() => {
      this.#exclusive = false;
    });
  }

  /** Resolves when no copy runs. */
  async copiesDone(): Promise<void> {
    while (this.#shared > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
