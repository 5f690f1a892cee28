/** The physical limits that benches compare with: copying a file and making it durable. */

import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const CHUNK = 2 ** 20;

/** ms of `cp` and `fsync`; the copy must not exist. */
export function copyWithCp(from: string, to: string): number {
  const begun = performance.now();
  execFileSync('cp', ['--reflink=never', from, to]);
  syncFile(to);
  return performance.now() - begun;
}

/** ms of reading all of a file, writing it elsewhere in pieces of 1 MiB, and `fsync`. */
export function readWriteSync(from: string, to: string): number {
  const begun = performance.now();
  const buffer = Buffer.allocUnsafe(CHUNK);
  const source = openSync(from, 'r');
  const target = openSync(to, 'wx');
  try {
    for (let count = readSync(source, buffer); count > 0; count = readSync(source, buffer)) writeSync(target, buffer, 0, count);
    fsyncSync(target);
  } finally {
    closeSync(source);
    closeSync(target);
  }
  return performance.now() - begun;
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
