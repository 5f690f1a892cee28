/** Byte sizes as people write them (`5MB`, `64 MiB`, `1,024`) and as they are printed. */

import { LitestreamError } from './errors.ts';

const LETTERS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];
const SIZE = /^(\d[\d,]*(?:\.\d*)?|\.\d+)\s*([kmgtpe]?)(i?)(b?)$/i;

/**
 * Parses a size to bytes: SI units are powers of 1000, IEC units (`Ki`, `MiB` …) powers of 1024, no unit means bytes; fractions of a byte
 * are dropped. Throws USAGE for anything else and above 2^53 - 1.
 */
export function parseSize(text: string): number {
  const [, amount, letter = '', binary = ''] = SIZE.exec(text.trim()) ?? [];
  const power = LETTERS.indexOf(letter.toUpperCase());
  if (amount === undefined || (binary !== '' && power === 0)) throw invalidSize(text);
  const bytes = Math.floor(Number(amount.replaceAll(',', '')) * (binary === '' ? 1000 : 1024) ** power);
  if (!Number.isSafeInteger(bytes)) throw invalidSize(text);
  return bytes;
}

function invalidSize(text: string): LitestreamError {
  return new LitestreamError('USAGE', `"${text}" is not a byte size`, {
    hint: 'Write a number with a unit, such as 5MB, 64MiB or 1048576.',
  });
}

/** Prints bytes in IEC units with at most one decimal: `512 B`, `1.5 KiB`, `64 MiB`. */
export function formatSize(bytes: number): string {
  let power = 0;
  let value = bytes;
  while (value >= 1023.95 && power < LETTERS.length - 1) {
    value /= 1024;
    power += 1;
  }
  if (power === 0) return `${bytes} B`;
  return `${value.toFixed(1).replace(/\.0$/, '')} ${LETTERS[power]}iB`;
}
