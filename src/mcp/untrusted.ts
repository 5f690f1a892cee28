/** Text that came from a database, a path or a provider, made safe to show to a model. */

/** Longest name shown, in characters. */
const MAX_NAME_LENGTH = 120;

// Format characters are the zero-width, bidirectional and tag ones; Cc are the C0 and C1 controls; then line and paragraph separators.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Replaces characters that a person would not see by a visible escape such as `\u{202e}`. */
export function revealHidden(text: string): string {
  return text.replace(HIDDEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** `text` with at most `length` characters; what was cut is counted. */
export function clip(text: string, length: number): string {
  const characters = text.length > length ? [...text] : undefined;
  if (characters === undefined || characters.length <= length) return text;
  return `${characters.slice(0, length).join('')}…(+${characters.length - length})`;
}

/** A name of a database, replica or path inside one of our own sentences. */
export function cleanName(name: string): string {
  return clip(revealHidden(name), MAX_NAME_LENGTH);
}
