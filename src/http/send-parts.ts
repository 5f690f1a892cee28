/** An answer in parts, of which the next one is made when the system has taken the one before: it never stands in memory as a whole. */

import type { ServerResponse } from 'node:http';

/** Answers 200. A reader that goes away ends it; when a part cannot be made, the connection is cut, for an answer without its end is none. */
export async function sendParts(
  response: ServerResponse,
  contentType: string,
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  try {
    response.writeHead(200, { 'content-type': contentType });
    for await (const part of parts) await taken(response, part);
    response.end();
  } catch {
    response.destroy();
  }
}

/** Resolves when the memory of `part` is not needed any more. */
function taken(response: ServerResponse, part: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error('the reader has gone away'));
    if (response.destroyed) return onClose();
    response.once('close', onClose);
    response.write(part, 'utf8', (error) => {
      response.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}
