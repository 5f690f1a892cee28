/** Failures that look like a mistake in a setting: another try may help, while a name or a server is only just appearing, but seldom does. */

import type { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';

/** The name is unknown, the other side does not speak TLS as expected, or not HTTP. A server that is starting refuses or is silent instead. */
const SELDOM = /^(?:ENOTFOUND$|EPROTO$|ERR_SSL_|ERR_TLS_|HPE_)/;

/** True for a failure that says of a destination that has never answered: what is asked there is probably not the service. */
export function seldomPasses(error: LitestreamError): boolean {
  if (error.disposition !== 'retry') return false;
  return error.code === 'RESPONSE_INVALID' || reasons(error.cause).some(isSeldom);
}

const isSeldom = (reason: Error): boolean =>
  // What the NATS library says, without a code, of a server that does not begin as its servers do. A silent or closing one may be starting.
  SELDOM.test(systemCode(reason) ?? '') || reason.message === 'unexpected response from server';

/** An error and what it was made of; the NATS library keeps that in a field of its own. */
function reasons(error: unknown, depth = 0): readonly Error[] {
  if (!(error instanceof Error) || depth > 4) return [];
  const { cause, chainedError, errors } = error as { cause?: unknown; chainedError?: unknown; errors?: unknown };
  const inner = [cause, chainedError, Array.isArray(errors) ? errors[0] : undefined];
  return [error, ...inner.flatMap((one) => reasons(one, depth + 1))];
}
