/** Holds the source tree to the drawing of its layers: `node tools/layer-check.ts [FOLDER]`, exit status 1 when something is wrong. */

import { fileURLToPath } from 'node:url';
import { checkLayers } from './layers/check.ts';

const directory = process.argv[2] ?? fileURLToPath(new URL('../src', import.meta.url));
const violations = checkLayers(directory);
for (const { file, line, rule } of violations) console.error(`${directory}/${file}:${line}: ${rule}`);
if (violations.length > 0) {
  console.error(`${violations.length} violations of the layers (docs/architecture.md)`);
  process.exitCode = 1;
}
