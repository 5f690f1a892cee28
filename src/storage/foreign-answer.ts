/** An answer that is not the service's, in a few words: people know their proxy's pages by their text. */

/** Characters of the text that are quoted. */
const QUOTED = 100;

/** `text/html: "Please log in"`, from what is legible of a body. */
export function inAFewWords(contentType: string | null | undefined, body: string | null | undefined): string {
  const legible = (body ?? '')
    .replace(/<(script|style|head)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  const type = contentType ?? 'no content type';
  if (legible === '') return (body ?? '') === '' ? `${type}, an empty body` : type;
  return `${type}: "${legible.length > QUOTED ? `${legible.slice(0, QUOTED)}…` : legible}"`;
}
