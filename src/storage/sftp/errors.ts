/** Status codes of SFTP, turned into ours at this one place. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';

/** Numbers of the protocol (draft-ietf-secsh-filexfer-02, and 13 for those above 8). */
export const STATUS = { end: 1, missing: 2, denied: 3, failure: 4, noConnection: 6, connectionLost: 7, unsupported: 8 } as const;

const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  2: ['OBJECT_NOT_FOUND', 'Check the path; another process may have removed it.'],
  3: ['ACCESS_DENIED', 'Give the SSH user read, write and search permission on the destination.'],
  4: ['STORAGE_UNAVAILABLE', 'The server gives no reason: look at its log. A quota that is used up or a device that fails can be one.'],
  5: ['RESPONSE_INVALID', 'The server did not understand the request: is a name too long for it?'],
  6: ['STORAGE_UNAVAILABLE', 'The connection is made again at the next attempt.'],
  7: ['STORAGE_UNAVAILABLE', 'The connection is made again at the next attempt.'],
  8: ['NOT_SUPPORTED', 'The server does not offer this operation.'],
  10: ['OBJECT_NOT_FOUND', 'Check the path; another process may have removed it.'],
  11: ['PRECONDITION_FAILED', 'Another process has written this object.'],
  12: ['ACCESS_DENIED', 'The destination is mounted read-only.'],
  14: ['STORAGE_FULL', 'Free space at the destination; replication goes on by itself.'],
  15: ['STORAGE_FULL', 'The quota at the destination is used up; replication goes on by itself when there is room.'],
};

/** The session ended before an answer came. */
export class SessionLost extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'SessionLost';
  }
}

/** The server does not have an extension of the protocol. */
export class ExtensionMissing extends Error {
  constructor(extension: string) {
    super(`the server lacks ${extension}`);
    this.name = 'ExtensionMissing';
  }
}

/** The server's answer to a request was a status other than success. */
export class StatusError extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.name = 'StatusError';
    this.status = status;
  }
}

/** The status of an answer; undefined for errors that are none. */
export const statusOf = (error: unknown): number | undefined => (error instanceof StatusError ? error.status : undefined);

/** Gives an error of a session our code and `message` (what was being done to what); anything else is returned untouched. */
export function sftpError(error: unknown, message: string): unknown {
  if (error instanceof LitestreamError) return error;
  if (error instanceof SessionLost) {
    return new LitestreamError('STORAGE_UNAVAILABLE', `${message}: ${error.message}`, {
      cause: error,
      hint: 'The connection is made again at the next attempt.',
    });
  }
  if (error instanceof ExtensionMissing) return new LitestreamError('NOT_SUPPORTED', `${message}: ${error.message}`, { cause: error });
  const status = statusOf(error);
  if (status === undefined) return error;
  const [code, hint] = CODES[status] ?? (['STORAGE_UNAVAILABLE', 'The server answered with a status this program does not know.'] as const);
  return new LitestreamError(code, `${message} (SFTP status ${status})`, { cause: error, hint, details: { status } });
}
