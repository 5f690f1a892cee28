/** What ten databases cost that nobody writes to. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Application } from './application-process.ts';
import { Daemon } from './daemon.ts';
import { load, peakResidentBytes, processorSeconds } from './proc.ts';
import { digits, MIB, type Report, unlessWithin } from './report.ts';
import { Scene } from './scene.ts';

export const name = 'idle';
export const description = 'processor time, requests and files of a daemon with 10 idle databases';

const DATABASES = 10;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 20);
/** Per cent of one core. */
const MOST_PROCESSOR = 1;

export function run(): Promise<Report> {
  return Scene.with(name, async (scene) => {
    const databases = Array.from({ length: DATABASES }, (_, index) => scene.path(`app-${index}.db`));
    const application = new Application(scene);
    for (const path of databases) await application.open(path, 100);
    const daemon = await Daemon.start(scene, { databases });
    const count = (): number => databases.reduce((sum, path) => sum + daemon.replicaFiles(path).length, 0);
    const requests = async (): Promise<number> => (await daemon.metrics()).sum('litestream_replica_operation_total');
    const before = { files: count(), requests: await requests() };
    await sleep(2000); // the look at the metrics itself costs something
    const from = processorSeconds(daemon.pid);
    const begun = performance.now();
    await sleep(SECONDS * 1000);
    const share = ((processorSeconds(daemon.pid) - from) / (performance.now() - begun)) * 1000 * 100;
    const more = { files: count() - before.files, requests: (await requests()) - before.requests };
    const lines = [
      `processor      ${digits(share)} % of a core over ${SECONDS} s (limit ${MOST_PROCESSOR} %)`,
      `new files      ${more.files}`,
      `requests       ${more.requests}`,
      `peak RSS       ${digits(peakResidentBytes(daemon.pid) / MIB)} MiB; ${load()}`,
    ];
    const missed = unlessWithin('processor time of idle databases', share, MOST_PROCESSOR, '% of a core');
    if (more.files > 0) missed.push(`${more.files} files were written for nothing`);
    if (more.requests > 0) missed.push(`${more.requests} requests were made for nothing`);
    return { lines, missed };
  });
}
