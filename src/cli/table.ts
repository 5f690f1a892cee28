/** Text tables as the original prints them: a lower-case header, left-aligned columns, two spaces between, the last column unpadded. */

/** Rows of equal length, the header first. Width counts code points. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(cell));
    });
  }
  return rows
    .map((row) => `${row.map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? 0))).join('')}\n`)
    .join('');
}

const width = (text: string): number => Array.from(text).length;
const pad = (cell: string, columnWidth: number): string => cell + ' '.repeat(columnWidth - width(cell) + 2);

/** Removes control characters, which could move the cursor of the terminal that shows them. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** Bytes the way the original's `status` shows them: SI units, one decimal below ten (`32 kB`, `1.2 MB`, `0 B`). */
export function formatSIBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  if (bytes < 10) return `${bytes} B`;
  const exponent = Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = Math.floor((bytes / 1000 ** exponent) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[exponent]}`;
}

/** A time as the original prints it: RFC 3339 in UTC with seconds. */
export function formatTime(time: string | number | undefined): string {
  if (time === undefined) return '-';
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
