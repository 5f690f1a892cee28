/** Compiles and runs the C yardstick of the kernel bench where gcc is present. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('kernel.c', import.meta.url));

/** MB/s by loop name, or undefined without gcc. Throws when the program fails its own round trip. */
export function measureNative(pages: Uint8Array, pageSize: number): ReadonlyMap<string, number> | undefined {
  if (spawnSync('gcc', ['--version']).status !== 0) return undefined;
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-native-'));
  try {
    const program = path.join(directory, 'kernel');
    const data = path.join(directory, 'pages');
    execFileSync('gcc', ['-O3', '-march=native', '-o', program, SOURCE]);
    writeFileSync(data, pages);
    const lines = execFileSync(program, [data, String(pageSize)], { encoding: 'utf8' })
      .trim()
      .split('\n');
    return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
