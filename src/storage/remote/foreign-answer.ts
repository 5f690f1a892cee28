/** An answer that is not the service's, in a few words: people know their proxy's pages by their text. */

/** Characters of the text that are quoted. */
const QUOTED = 100;

/** `text/html: "Please log in"`, from what is legible of a body. */
export function inAFewWords(contentType: string | null | undefined, body: string | null | undefined): string {
  const words = legible(body ?? '');
  const type = contentType ?? 'no content type';
  if (words === '') return (body ?? '') === '' ? `${type}, an empty body` : type;
  return `${type}: "${words}"`;
}

/** The first words of a text or of a page, on one line; '' when there are none. */
export function legible(body: string): string {
  const text = body
    .replace(/<(script|style|head)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text;
}

/**
 * A page for people in the place of a refusal, which no service sends to a program: whoever refuses with one is a proxy, a firewall or
 * another server, and that is no reason to look at keys.
 */
export const isForeignRefusal = (
  status: number | undefined,
  contentType: string | null | undefined,
  body: string | null | undefined,
): boolean =>
  (status === 401 || status === 403) &&
  (/^\s*text\/html\b/i.test(contentType ?? '') || /^\s*<(?:!doctype\s+html|html)\b/i.test(body ?? ''));
