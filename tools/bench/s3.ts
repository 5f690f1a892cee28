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

export const name = 's3';
export const description = 'a snapshot of 1 GiB to an S3 server and back, next to one stream of the SDK';

const BYTES = Number(process.env.BENCH_S3_MIB ?? 1024) * MIB;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
/** MiB resident. */
const MEMORY_CEILING = 256;
const LEAST_UP = 0.9;
const LAUNCHER = fileURLToPath(new URL('../../src/launcher/litestream', import.meta.url));

/** Each copy of the object stays in the server's memory, also when another has taken its place. */
export const run = (): Promise<Report> =>
  withS3((3 + 2 * ROUNDS) * BYTES, (address) => Scene.with(name, (scene) => measure(scene, address)));

async function measure(scene: Scene, address: S3Address): Promise<Report> {
  const database = scene.path('app.db');
  fillDatabase(database, BYTES, 4096);
  const product = await replicateAndRestore(scene, address, database);
  const { endpoint, region, accessKeyID, secretAccessKey } = address;
  const spec = {
    type: 's3',
    bucket: BUCKET,
    path: '',
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyID, secretAccessKey },
  };
  const move = async (who: 'ours' | 'sdk' | 'sdk-parts', direction: 'up' | 'down') => {
    settleDisk();
    return answerOf<TransferFacts>(scene, './s3-child.ts', [who, direction, JSON.stringify(spec), `copy-${who}`, database]);
  };
  const moved: Record<'up' | 'down', { ours: TransferFacts[]; sdk: TransferFacts[] }> = {
    up: { ours: [], sdk: [] },
    down: { ours: [], sdk: [] },
  };
  const signed: TransferFacts[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const direction of ['up', 'down'] as const) {
      moved[direction].sdk.push(await move('sdk', direction));
      moved[direction].ours.push(await move('ours', direction));
      if (direction === 'up' && round === 0) signed.push(await move('sdk-parts', direction));
    }
  }
  const size = statSync(database).size;
  const line = (direction: 'up' | 'down'): string => {
    const { ours, sdk } = moved[direction];
    const speed = (facts: readonly TransferFacts[]) => digits(median(facts.map((one) => megabytesPerSecond(one.bytes, one.durationMs))));
    const peak = digits(Math.max(...ours.map((one) => one.peakResidentBytes)) / MIB);
    return `${direction.padEnd(6)} ${speed(ours)} MB/s, the SDK's single stream ${speed(sdk)} MB/s: ${digits(ratio(ours, sdk))} times; peak RSS ${peak} MiB`;
  };
  return {
    lines: [
      line('up'),
      `       the SDK's parts, signed as ours are: ${digits(ratio(signed, moved.up.sdk))} times its single stream, which is unsigned`,
      line('down'),
      `replicate -once of the database  ${product.up}`,
      `restore                          ${product.down}`,
      `${digits(size / MIB)} MiB, ${ROUNDS} interleaved rounds, medians; aims: up ${LEAST_UP}, down 2 where the server allows; ${load()}`,
    ],
    missed: [
      ...(ratio(moved.up.ours, moved.up.sdk) >= LEAST_UP
        ? []
        : [`up: ${digits(ratio(moved.up.ours, moved.up.sdk))} times the SDK's speed`]),
      ...unlessWithin('peak RSS of replicate', product.peakUp / MIB, MEMORY_CEILING, 'MiB'),
      ...unlessWithin('peak RSS of restore', product.peakDown / MIB, MEMORY_CEILING, 'MiB'),
    ],
  };
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
