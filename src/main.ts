/** Process entry: refuses a Node that is too old, then hands arguments and streams to the command line. Everything else is loaded when it is needed. */

const OLDEST_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(`Error: litestream needs Node ${OLDEST_NODE} or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}

// What the launcher has set, such as its cache of compiled code, is for this process and not for the programs it starts.
for (const name of process.env.LITESTREAM_LAUNCHER_VARIABLES?.split(' ') ?? []) delete process.env[name];
delete process.env.LITESTREAM_LAUNCHER_VARIABLES;

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
