/** Which keys are safe, and the one order they are listed in. */

import { LitestreamError } from '../base/errors.ts';

/**
 * Refuses, with USAGE, a key that is empty, absolute, has an empty, `.` or `..` segment, or holds a NUL: such a key could name something
 * outside the store or two spellings of one object.
 */
export function checkKey(key: string): void {
  if (key === '' || key.includes('\0') || key.split('/').some(isUnsafeSegment)) throw unsafe('key', key);
}

/** The same for a prefix, which may be empty, end in `/` or in the middle of a segment. */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  if (prefix.includes('\0') || last === '..' || segments.some(isUnsafeSegment)) throw unsafe('prefix', prefix);
}

/** The same where a leading slash is part of a name: paths of the original that begin with one are names that begin with one. */
export const checkRootedKey = (key: string): void => checkKey(withoutSlash(key));

/** The same for a prefix. */
export const checkRootedPrefix = (prefix: string): void => checkPrefix(withoutSlash(prefix));

/**
 * For stores that take keys exactly as they are, also `/0000/x`, `./0000/x` and `db//0000/x`: refused, with USAGE, are an empty one, which would
 * name the bucket itself, a `..` segment, which a proxy might resolve to another key, and NUL.
 */
export function checkLiteralKey(verb: string, key: string): void {
  if (key === '') throw neverAKey(verb, key);
  checkLiteralPrefix(verb, key);
}

/** The same for a prefix, which may be empty. */
export function checkLiteralPrefix(verb: string, prefix: string): void {
  if (prefix.includes('\0') || prefix.split('/').includes('..')) throw neverAKey(verb, prefix);
}

const neverAKey = (verb: string, text: string): LitestreamError =>
  new LitestreamError('USAGE', `cannot ${verb} ${JSON.stringify(text)}: not a safe object key`, {
    hint: 'Keys are not empty and have neither ".." segments nor NUL characters.',
  });

const withoutSlash = (text: string): string => (text.startsWith('/') ? text.slice(1) : text);

const isUnsafeSegment = (segment: string): boolean => segment === '' || segment === '.' || segment === '..';

const unsafe = (what: string, text: string): LitestreamError =>
  new LitestreamError('USAGE', `${JSON.stringify(text)} is not a safe object ${what}`, {
    hint: 'Keys are relative, separated by single slashes, without "." or ".." segments.',
  });

/** Order of listings: by the bytes of the UTF-8 form, which is by code point, as object stores do. */
export function compareKeys(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

// Surrogates stand for code points above all of the basic plane, though their own numbers lie below its last part.
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
