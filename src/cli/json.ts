/** JSON documents as the original prints them: two spaces of indent, a newline at the end, `<`, `>` and `&` escaped. */

/** Encodes a value. Big integers become numbers of any size; `undefined` members are left out. */
export function formatJSON(value: unknown): string {
  return `${encode(value, '').replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}

function encode(value: unknown, indent: string): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if ('toJSON' in value && typeof value.toJSON === 'function') return encode(value.toJSON(), indent);
  const inner = `${indent}  `;
  if (Array.isArray(value))
    return wrap(
      '[',
      ']',
      indent,
      value.map((item) => inner + encode(item, inner)),
    );
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return wrap(
    '{',
    '}',
    indent,
    members.map(([name, member]) => `${inner}${JSON.stringify(name)}: ${encode(member, inner)}`),
  );
}

function wrap(open: string, close: string, indent: string, lines: readonly string[]): string {
  return lines.length === 0 ? open + close : `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
