/** System codes and living processes are told from what only looks like them. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isAlive } from '../../src/base/process.ts';
import { isAbsence, systemCode } from '../../src/base/system-error.ts';

function thrownBy(path: string): unknown {
  try {
    return readFileSync(path);
  } catch (error) {
    return error;
  }
}

test('a path that leads to nothing is absent, by a missing name and by a file on the way', () => {
  const missing = thrownBy('/nowhere/at/all');
  const throughFile = thrownBy(`${import.meta.filename}/below`);
  expect([missing, throughFile].map(systemCode)).toEqual(['ENOENT', 'ENOTDIR']);
  expect([missing, throughFile].map(isAbsence)).toEqual([true, true]);
});

test('a code by itself, another error and a directory are not', () => {
  expect(systemCode(thrownBy('/'))).toBe('EISDIR');
  expect(['ENOENT', new Error('ENOENT'), { code: 'ENOENT' }, undefined, thrownBy('/')].map(isAbsence)).toEqual(Array(5).fill(false));
});

test('this process lives, one that has ended does not, and what is no id is nobody', () => {
  const ended = spawnSync(process.execPath, ['-e', '']).pid;
  expect([process.pid, ended, Number.NaN, 2 ** 40].map(isAlive)).toEqual([true, false, false, false]);
});
