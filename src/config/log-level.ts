/** Words for log levels. */

import type { LogLevel } from '../base/log.ts';

const WORDS: Readonly<Record<string, LogLevel>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
};

/** The level a word names, in any case. */
export function parseLogLevel(word: string): LogLevel | undefined {
  const key = word.toLowerCase();
  return Object.hasOwn(WORDS, key) ? WORDS[key] : undefined;
}
