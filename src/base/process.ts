/** Other processes of this machine. */

import { systemCode } from './system-error.ts';

/** True while there is a process with this id, whoever runs it; false for what is no id. Ids are used again. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
