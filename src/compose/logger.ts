/** The process's logger, made from the settings. */

import type { Logger } from '../base/log.ts';
import { createLogger } from '../cli/logger.ts';
import type { Settings } from '../config/settings.ts';

/** @param standard where lines go unless the configuration says stderr. */
export function makeLogger({ logging }: Settings, standard: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Logger {
  return createLogger({ level: logging.level, type: logging.type, stream: logging.stderr ? stderr : standard });
}
