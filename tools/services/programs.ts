/** Finding installed programs, also those in directories for the administrator. */

import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

const ALSO = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];

/** Absolute path of a program; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const candidates = isAbsolute(name)
    ? [name]
    : [...(process.env.PATH ?? '').split(delimiter), ...ALSO]
        .filter((directory) => directory !== '')
        .map((directory) => join(directory, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
