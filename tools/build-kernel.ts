/** Compiles the AssemblyScript of `src/formats/kernel/assembly` to `kernel.wasm`; with `--check` only tells whether the committed file is current. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = 'src/formats/kernel/assembly/index.ts';
const TARGET = path.join(ROOT, 'src/formats/kernel/kernel.wasm');
const FLAGS = ['-O3', '--converge', '--runtime', 'stub', '--enable', 'simd', '--noAssert'];

/** Compiles into `file`; the compiler's own messages go to standard error. */
function compile(file: string): void {
  const asc = path.join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
  const parts = [asc, SOURCE, ...FLAGS, '--outFile', path.relative(ROOT, file)];
  execFileSync(process.execPath, parts, { cwd: ROOT, stdio: ['ignore', 2, 2] });
}

function committed(): Buffer | undefined {
  try {
    return readFileSync(TARGET);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function main(check: boolean): number {
  const directory = mkdtempSync(path.join(tmpdir(), 'kernel-'));
  try {
    const fresh = path.join(directory, 'kernel.wasm');
    compile(fresh);
    const bytes = readFileSync(fresh);
    const current = committed()?.equals(bytes) === true;
    if (check) {
      console.log(
        current ? `kernel.wasm is current (${bytes.length} bytes)` : 'kernel.wasm differs from its source: run npm run build:kernel',
      );
      return current ? 0 : 1;
    }
    if (!current) writeFileSync(TARGET, bytes);
    console.log(`kernel.wasm: ${bytes.length} bytes${current ? ', unchanged' : ''}`);
    return 0;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

process.exitCode = main(process.argv.includes('--check'));
