/** Process entry: refuses a Node that is too old, then hands arguments and streams to the command line. Everything else is loaded when it is needed. */

const OLDEST_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(`Error: litestream needs Node ${OLDEST_NODE} or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}

// The launcher's cache of compiled code is for this process, not for the programs it starts.
if (process.env.NODE_COMPILE_CACHE?.endsWith('/node_modules/.cache/litestream')) delete process.env.NODE_COMPILE_CACHE;

// A reader that goes away (`| head`) ends the printing, never a running replication.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const { runCommandLine } = await import('./cli/run.ts');
const stdio = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
const status = await runCommandLine(process.argv.slice(2), process.env, stdio, async () => {
  const { createDoor } = await import('./compose.ts');
  return createDoor(process.env, stdio);
});

await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(status);
