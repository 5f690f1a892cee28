/** The logger interface every room is handed; nothing below the doors knows where lines go. */

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Attributes of a line. Values are printed, so never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

export const silentLogger: Logger = {
  log: () => {},
  with: () => silentLogger,
};
