/** Real servers for tests, by hand: `npm run services -- install | start [--run NAME] [--s3-bytes N] SERVICE… | stop [--run NAME] | status`. */

import { parseArgs } from 'node:util';
import { SERVICE_NAMES } from './catalogue.ts';
import { installServices } from './install.ts';
import { Run } from './run.ts';
import type { ServiceName } from './service.ts';

const USAGE = `Usage: npm run services -- COMMAND

  install          installs the servers that are missing (Debian packages; root or sudo)
  start NAME…      starts servers on free ports of 127.0.0.1 and prints their addresses as JSON; "all" for every one
  stop             ends them and removes their files
  status           prints what runs

  --run NAME       the set of servers that is meant, so that several can stand side by side (default "default")
  --s3-bytes N     memory the S3 server may fill, in bytes (default 4 GiB)

Names: ${SERVICE_NAMES.join(', ')}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { run: { type: 'string', default: 'default' }, 's3-bytes': { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
const [command, ...names] = positionals;

if (values.help === true) console.log(USAGE);
else if (command === 'install') install();
else if (command === 'start' && names.length > 0) await start();
else if (command === 'stop' && names.length === 0) await Run.named(values.run).stop();
else if (command === 'status' && names.length === 0) status();
else {
  console.error(USAGE);
  process.exitCode = 2;
}

function install(): void {
  const missing = installServices();
  for (const sentence of missing) console.error(sentence);
  if (missing.length === 0) console.log(`all servers are there: ${SERVICE_NAMES.join(', ')}`);
  else process.exitCode = 1;
}

async function start(): Promise<void> {
  const unknown = names.filter((name) => name !== 'all' && !SERVICE_NAMES.includes(name as ServiceName));
  if (unknown.length > 0) throw new Error(`there is no server called ${unknown.join(', ')}; there are ${SERVICE_NAMES.join(', ')}`);
  await Run.sweep();
  const run = Run.named(values.run);
  const options = values['s3-bytes'] === undefined ? {} : { s3Bytes: Number(values['s3-bytes']) };
  const addresses: Record<string, unknown> = {};
  for (const name of names.includes('all') ? SERVICE_NAMES : (names as ServiceName[])) {
    try {
      addresses[name] = await run.start(name, options);
    } catch (error) {
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    }
  }
  console.log(JSON.stringify(addresses, null, 2));
}

function status(): void {
  const runs = Run.all().map((run) => ({ run: run.path, servers: run.status() }));
  console.log(JSON.stringify(runs, null, 2));
}
