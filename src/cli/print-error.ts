/** An error as people read it, or as one JSON document; both on stderr. */

import { type ErrorData, errorToData } from '../base/errors.ts';
import { redactErrorData } from '../base/redact.ts';
import { formatJSON } from './json.ts';

/** Text: `Error: …`, then `Try: …` where the next step is a command and `Hint: …` where it is a sentence. */
export function printError(error: unknown, stream: { write(text: string): unknown }, json: boolean): void {
  const data = redactErrorData(errorToData(error));
  stream.write(json ? formatJSON({ error: data }) : formatErrorText(data));
}

function formatErrorText({ message, cause, hint }: ErrorData): string {
  const because = cause === undefined || message.includes(cause) ? '' : `: ${cause}`;
  const next = hint === undefined ? '' : `${hint.startsWith('litestream ') ? 'Try' : 'Hint'}: ${hint}\n`;
  return `Error: ${message}${because}\n${next}`;
}
