/** Hands out ranges of a growing linear memory: first fit, adjoining free ranges joined. */

const ALIGNMENT = 16;
/** Wide loads may look past the end of a range by less than this; they must stay inside the memory. */
const SLACK = 32;

interface Range {
  readonly start: number;
  readonly end: number;
}

export class LinearHeap {
  readonly #grow: (end: number) => void;
  readonly #taken = new Map<number, number>();
  /** Ascending, never adjoining. */
  #free: Range[] = [];
  #top: number;

  /** Ranges begin at or after `start`; `grow` makes all bytes below `end` exist or throws. */
  constructor(start: number, grow: (end: number) => void) {
    this.#top = align(start);
    this.#grow = grow;
  }

  /** Offset of `bytes` fresh bytes (contents undefined), 16-aligned. */
  allocate(bytes: number): number {
    const size = align(bytes + SLACK);
    const index = this.#free.findIndex((range) => range.end - range.start >= size);
    const found = this.#free[index];
    if (found === undefined) return this.#extend(size);
    if (found.end - found.start === size) this.#free.splice(index, 1);
    else this.#free[index] = { start: found.start + size, end: found.end };
    this.#taken.set(found.start, size);
    return found.start;
  }

  /** Gives back what `allocate` returned; false when it was not in use. */
  free(start: number): boolean {
    const size = this.#taken.get(start);
    if (size === undefined) return false;
    this.#taken.delete(start);
    this.#release({ start, end: start + size });
    return true;
  }

  /** Bytes in use, slack included. */
  get used(): number {
    let sum = 0;
    for (const size of this.#taken.values()) sum += size;
    return sum;
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const start = last?.end === this.#top ? last.start : this.#top;
    this.#grow(start + size);
    if (start !== this.#top) this.#free.pop();
    this.#top = start + size;
    this.#taken.set(start, size);
    return start;
  }

  #release(range: Range): void {
    let { start, end } = range;
    const rest: Range[] = [];
    for (const other of this.#free) {
      if (other.end === start) start = other.start;
      else if (other.start === end) end = other.end;
      else rest.push(other);
    }
    rest.push({ start, end });
    this.#free = rest.sort((a, b) => a.start - b.start);
  }
}

const align = (value: number): number => Math.ceil(value / ALIGNMENT) * ALIGNMENT;
