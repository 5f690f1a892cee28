/** A snapshot of 1 GiB to an S3 server and back, next to the SDK's own single stream of the same bytes. */

import { statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { answerOf } from './child-answer.ts';
import { load, peakResidentBytes } from './proc.ts';
import { digits, MIB, median, megabytesPerSecond, type Report, unlessWithin } from './report.ts';
import type { TransferFacts } from './s3-child.ts';
import { BUCKET, entriesOf, type S3Address, withS3 } from './s3-place.ts';
import { fillDatabase } from './sample-pages.ts';
import { Scene, settleDisk } from './scene.ts';
import { overSlowLine } from './slow-line.ts';

export const name = 's3';
export const description = 'a snapshot of 1 GiB to an S3 server and back, next to one stream of the SDK';

const BYTES = Number(process.env.BENCH_S3_MIB ?? 1024) * MIB;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
/** MiB resident. */
const MEMORY_CEILING = 256;
/** Times the speed of the SDK's single stream. */
const LEAST = { up: 0.9, down: 2 };
/** Bytes per second a connection carries over a distance, which is what several at once are for, and how much is moved there. */
const SLOW = 16 * MIB;
const SLOW_BYTES = 128 * MIB;
const LAUNCHER = fileURLToPath(new URL('../../src/launcher/litestream', import.meta.url));

type Direction = 'up' | 'down';
type Who = 'ours' | 'sdk' | 'sdk-parts';

interface Moves {
  readonly ours: TransferFacts[];
  readonly sdk: TransferFacts[];
  readonly signed: TransferFacts[];
}

/** Each copy of the object stays in the server's memory, also when another has taken its place. */
export const run = (): Promise<Report> =>
  withS3((3 + 3 * ROUNDS) * BYTES + 4 * SLOW_BYTES, (address) => Scene.with(name, (scene) => measure(scene, address)));

async function measure(scene: Scene, address: S3Address): Promise<Report> {
  const database = scene.path('app.db');
  fillDatabase(database, BYTES, 4096);
  const product = await replicateAndRestore(scene, address, database);
  const far = await overSlowLine(address.endpoint, SLOW, (endpoint) => overDistance(scene, { ...address, endpoint }));
  const moved: Record<Direction, Moves> = { up: { ours: [], sdk: [], signed: [] }, down: { ours: [], sdk: [], signed: [] } };
  for (let round = 0; round < ROUNDS; round++) {
    for (const direction of ['up', 'down'] as const) {
      const { ours, sdk, signed } = moved[direction];
      sdk.push(await move(scene, address, ['sdk', direction, database]));
      ours.push(await move(scene, address, ['ours', direction, database]));
      if (direction === 'up') signed.push(await move(scene, address, ['sdk-parts', direction, database]));
    }
  }
  const up = ratio(moved.up.ours, moved.up.sdk);
  const upSigned = ratio(moved.up.ours, moved.up.signed);
  return {
    lines: [
      inWords('up', moved.up),
      `       ${digits(upSigned)} times the SDK's parts, which are signed as ours are; its single stream is not`,
      inWords('down', moved.down),
      `${digits(SLOW_BYTES / MIB)} MiB over a line of ${digits(SLOW / MIB)} MiB/s a connection: ${digits(far.up)} times the single stream up, ${digits(far.down)} times down`,
      `replicate -once of the database  ${product.up}`,
      `restore                          ${product.down}`,
      `${digits(statSync(database).size / MIB)} MiB, ${ROUNDS} interleaved rounds, medians; aims: up ${LEAST.up}, down ${LEAST.down} where the server allows; ${load()}`,
    ],
    missed: [
      // Where processors are the bound, what signing costs is.
      ...(Math.max(up, upSigned) >= LEAST.up
        ? []
        : [`up: ${digits(up)} times the SDK's single stream, ${digits(upSigned)} times its parts`]),
      ...(['up', 'down'] as const).flatMap((direction) =>
        far[direction] >= LEAST[direction] ? [] : [`${direction} over a slow line: ${digits(far[direction])} times the SDK's speed`],
      ),
      ...unlessWithin('peak RSS of replicate', product.peakUp / MIB, MEMORY_CEILING, 'MiB'),
      ...unlessWithin('peak RSS of restore', product.peakDown / MIB, MEMORY_CEILING, 'MiB'),
    ],
  };
}

/** Moves a file once, in a process of its own. */
function move(scene: Scene, address: S3Address, [who, direction, file]: readonly [Who, Direction, string]): Promise<TransferFacts> {
  const { endpoint, region, accessKeyID, secretAccessKey } = address;
  const credentials = { accessKeyID, secretAccessKey };
  const spec = { type: 's3', bucket: BUCKET, path: '', endpoint, region, forcePathStyle: true, credentials };
  settleDisk();
  return answerOf<TransferFacts>(scene, './s3-child.ts', [who, direction, JSON.stringify(spec), `copy-${who}`, file]);
}

/** How many times as fast as the single stream, where a connection carries little. */
async function overDistance(scene: Scene, address: S3Address): Promise<Record<Direction, number>> {
  const file = scene.path('small.db');
  fillDatabase(file, SLOW_BYTES, 4096);
  const compare = async (direction: Direction) =>
    ratio([await move(scene, address, ['ours', direction, file])], [await move(scene, address, ['sdk', direction, file])]);
  return { up: await compare('up'), down: await compare('down') };
}

function inWords(direction: Direction, { ours, sdk }: Moves): string {
  const speed = (facts: readonly TransferFacts[]) => digits(median(facts.map((one) => megabytesPerSecond(one.bytes, one.durationMs))));
  const peak = digits(Math.max(...ours.map((one) => one.peakResidentBytes)) / MIB);
  return `${direction.padEnd(6)} ${speed(ours)} MB/s, the SDK's single stream ${speed(sdk)} MB/s: ${digits(ratio(ours, sdk))} times; peak RSS ${peak} MiB`;
}

const ratio = (ours: readonly TransferFacts[], sdk: readonly TransferFacts[]): number =>
  median(ours.map((one, round) => (sdk[round]?.durationMs ?? Number.NaN) / one.durationMs));

/** The product's own commands, as a person runs them. */
async function replicateAndRestore(scene: Scene, address: S3Address, database: string) {
  const config = scene.path('litestream.yml');
  writeFileSync(config, ['dbs:', ...entriesOf(address, { [database]: 'app' }), ''].join('\n'));
  settleDisk();
  const up = await command(scene, ['replicate', '-once', '-config', config]);
  settleDisk();
  const down = await command(scene, ['restore', '-config', config, '-o', scene.path('restored.db'), basename(database, '.db')]);
  const size = statSync(database).size;
  const say = ({ durationMs, peak }: Ran): string =>
    `${digits(megabytesPerSecond(size, durationMs))} MB/s of database, peak RSS ${digits(peak / MIB)} MiB`;
  return { up: say(up), down: say(down), peakUp: up.peak, peakDown: down.peak };
}

interface Ran {
  readonly durationMs: number;
  readonly peak: number;
}

async function command(scene: Scene, args: readonly string[]): Promise<Ran> {
  const begun = performance.now();
  const child = scene.spawn(LAUNCHER, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  let peak = 0;
  while (child.exitCode === null && child.signalCode === null) {
    await Promise.race([ended, sleep(50)]);
    try {
      // NaN of a process that has just ended.
      peak = Math.max(peak, peakResidentBytes(child.pid ?? 0) || 0);
    } catch {
      // it is gone
    }
  }
  if (child.exitCode !== 0) throw new Error(`litestream ${args[0]} ended with ${child.exitCode ?? child.signalCode}`);
  return { durationMs: performance.now() - begun, peak };
}
