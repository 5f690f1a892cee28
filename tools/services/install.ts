/** Installs the servers that Debian has packages of. */

import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { CATALOGUE, SERVICE_NAMES, whyNot } from './catalogue.ts';
import { findProgram } from './programs.ts';

/** Programs that tests use beside the servers. */
const TOOLS: readonly (readonly [program: string, packageName: string])[] = [
  ['age', 'age'],
  ['sqlite3', 'sqlite3'],
];

/** Installs what is missing and returns, for each that could not be had, one sentence why. */
export function installServices(): readonly string[] {
  const missing = [
    ...SERVICE_NAMES.filter((name) => whyNot(name) !== undefined).flatMap((name) => CATALOGUE[name].packages),
    ...TOOLS.filter(([program]) => findProgram(program) === undefined).map(([, name]) => name),
  ];
  const obstacle = missing.length === 0 ? undefined : aptInstall([...new Set(missing)]);
  const services = SERVICE_NAMES.flatMap((name) => whyNot(name) ?? []);
  const tools = TOOLS.filter(([program]) => findProgram(program) === undefined).map(([program]) => `${program} is not installed`);
  return [...services, ...tools].map((sentence) => (obstacle === undefined ? sentence : `${sentence} (${obstacle})`));
}

/** Why it did not work; undefined when it did. */
function aptInstall(packages: readonly string[]): string | undefined {
  if (findProgram('apt-get') === undefined) return `there is no apt-get; install ${packages.join(' ')} in your own way`;
  const asRoot = userInfo().uid === 0 ? [] : ['sudo', '-n'];
  if (asRoot.length > 0 && findProgram('sudo') === undefined) return `only root may install ${packages.join(' ')}`;
  // A package must not start its server on the machine's own ports.
  const apt = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-qq'];
  const run = (...args: readonly string[]) => {
    const [command = '', ...rest] = [...apt, ...args];
    return spawnSync(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
  };
  if (run('install', '-y', '--no-install-recommends', ...packages)) return undefined;
  if (run('update') && run('install', '-y', '--no-install-recommends', ...packages)) return undefined;
  return `apt-get install ${packages.join(' ')} failed`;
}
