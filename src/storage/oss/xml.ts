/** The little XML that OSS answers with: elements and text, nothing else; anything else is refused. */

export interface Element {
  readonly name: string;
  /** Text directly inside, entities replaced. */
  readonly text: string;
  readonly children: readonly Element[];
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: Element[];
}

const TOKEN =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
/** Answers nest three deep. */
const DEEPEST = 16;

/** The root element; undefined when the text is not a whole document of this kind: HTML, half an answer, a document type. */
export function parseXML(text: string): Element | undefined {
  const document: OpenElement = { name: '', text: '', children: [] };
  const open: OpenElement[] = [document];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    const match = TOKEN.exec(text);
    const current = open.at(-1);
    if (match === null || current === undefined || open.length > DEEPEST) return undefined;
    const [, cdata, closing, name, , alone, plain] = match;
    if (name === undefined) {
      const added = cdata ?? decodeEntities(plain ?? '');
      if (added === undefined || (open.length === 1 && added.trim().replace('\ufeff', '') !== '')) return undefined;
      current.text += added;
    } else if (closing === '/') {
      if (current.name !== name || open.length === 1) return undefined;
      open.pop();
    } else {
      const element: OpenElement = { name, text: '', children: [] };
      current.children.push(element);
      if (alone !== '/') open.push(element);
    }
  }
  return open.length === 1 && document.children.length === 1 ? document.children[0] : undefined;
}

/** The text of the first child of that name. */
export function childText(element: Element, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function childrenNamed(element: Element, name: string): readonly Element[] {
  return element.children.filter((child) => child.name === name);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** undefined when there is an entity of another kind. */
function decodeEntities(text: string): string | undefined {
  let valid = true;
  const decoded = text.replaceAll(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+))?;?/g,
    (all, hex?: string, decimal?: string, name?: string) => {
      const code = hex !== undefined ? Number.parseInt(hex, 16) : decimal !== undefined ? Number(decimal) : undefined;
      const replacement = code === undefined ? ENTITIES[name ?? ''] : code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
      if (replacement === undefined || !all.endsWith(';')) valid = false;
      return replacement ?? '';
    },
  );
  return valid ? decoded : undefined;
}

/** Text as content of an element. */
export function escapeXML(text: string): string {
  return text.replaceAll(/[&<>\r\n\t]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
