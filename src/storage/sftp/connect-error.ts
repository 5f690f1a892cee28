/** Why a connection could not be made, in words of ours. */

import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { networkFailure } from '../remote/network-error.ts';
import type { Credentials, Hop } from './login.ts';

const REFUSED_LOGIN = /authentication methods failed|too many authentication failures|password has expired|permission denied/i;

/** Begins the text of what a jump host says about the server behind it. */
export const BEHIND_JUMP = 'the jump host gets no connection';

/** Turns an error of the SSH library or of the system into one of ours. */
export function connectError(error: unknown, hop: Hop, credentials: Credentials): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const { user, host, port = 22 } = hop;
  const server = port === 22 ? host : `${host}:${port}`;
  const text = error instanceof Error ? error.message : String(error);
  const level = error instanceof Error ? (error as { level?: unknown }).level : undefined;
  const system = systemCode(error);
  if (level === 'client-authentication' || level === 'agent' || REFUSED_LOGIN.test(text))
    return refusedLogin(error, hop, credentials, text);
  const network = networkFailure(system);
  if (network !== undefined)
    return new LitestreamError(network.code, `cannot reach ${server} (${system})`, {
      cause: error,
      hint: network.hint,
      details: { system },
    });
  if (/no matching/i.test(text))
    return new LitestreamError('NOT_SUPPORTED', `cannot agree with ${server} on how to encrypt: ${text}`, {
      cause: error,
      hint: 'The server offers only algorithms that are out of use: update it.',
    });
  if (text.startsWith(BEHIND_JUMP))
    return new LitestreamError('STORAGE_UNAVAILABLE', `cannot reach ${server}: ${text}`, {
      cause: error,
      hint: 'Can the jump host reach it, and does it forward connections (AllowTcpForwarding)?',
    });
  if (/subsystem|channel open failure|exec/i.test(text))
    return new LitestreamError('NOT_SUPPORTED', `${server} lets ${user} in, but not to SFTP: ${text}`, {
      cause: error,
      hint: 'Switch the SFTP subsystem on for this user ("Subsystem sftp internal-sftp" in sshd_config).',
    });
  const hint = /before handshake|closed|close event|end event/i.test(text)
    ? 'Is it an SSH server? It may also limit connections (MaxStartups), or have banned this machine for a while.'
    : 'The connection is tried again.';
  return new LitestreamError('STORAGE_UNAVAILABLE', `cannot connect to ${server}: ${text}`, { cause: error, hint });
}

function refusedLogin(error: unknown, { user, host }: Hop, { offered, agentFailure }: Credentials, text: string): LitestreamError {
  const failure = agentFailure();
  const agent = failure === undefined ? '' : ` The agent gave no keys: ${failure}.`;
  return new LitestreamError('CREDENTIALS_INVALID', `${host} does not let ${user} in (offered were ${offered.join(', ')}): ${text}`, {
    cause: error,
    hint: `Check user, password and key; on the server, "authorized_keys" and which methods it allows.${agent}`,
  });
}
