/** Small things about bytes that every binary format needs. */

/** A DataView over exactly the bytes of `bytes`, whatever buffer they lie in. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Reads `into.length` bytes or fewer from an absolute position and returns how many; 0 means the end. Synchronous, so that no page waits for a promise. */
export type ReadAt = (position: number, into: Uint8Array) => number;

/** Reads until `into` is full or the source ends; returns the bytes read. */
export function readFully(read: ReadAt, position: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = read(position + done, into.subarray(done));
    if (count === 0) break;
    done += count;
  }
  return done;
}
