/** Runs of servers: nobody is started twice, nothing is left behind. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartLock } from '../../../tools/services/lock.ts';
import { endProcesses, identify, isAlive, type ProcessIdentity } from '../../../tools/services/process.ts';
import { Room } from '../../../tools/services/room.ts';
import { Run } from '../../../tools/services/run.ts';
import { readJSON } from '../../../tools/services/whole-file.ts';
import { until } from '../../support/fake-clock.ts';

const RUN = fileURLToPath(new URL('../../../tools/services/run.ts', import.meta.url));
const LOCK = fileURLToPath(new URL('../../../tools/services/lock.ts', import.meta.url));

let directory: string;
let started: ProcessIdentity[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'litestream-test-'));
  started = [];
});
afterEach(async () => {
  await endProcesses(started);
  rmSync(directory, { recursive: true, force: true });
});

/** A process of ours that runs a script to its end or until it is killed. */
function node(script: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error('no process');
  started.push(identity);
  return { child, identity, output: () => output, ended: new Promise<void>((resolve) => child.on('close', () => resolve())) };
}

describe('processes', () => {
  it('are ended with those they started, also when they do not listen', async () => {
    const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6);`;
    const parent = node(`import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, ['-e', ${JSON.stringify(deaf)}], { detached: true });
      setTimeout(() => console.log(child.pid), 300); ${deaf}`);
    await until(() => parent.output() !== '', 'there is a child');
    const child = identify(Number(parent.output()));
    expect(child).toBeDefined();
    await endProcesses([parent.identity], 200);
    expect(identify(Number(parent.output()))).toBeUndefined();
    expect(isAlive(parent.identity)).toBe(false);
  });

  it('are not taken for an earlier one with the same number', async () => {
    const { identity } = node('setInterval(() => {}, 1e6)');
    await endProcesses([{ ...identity, began: '1' }]);
    expect(isAlive(identity)).toBe(true);
  });
});

describe('the lock around a start', () => {
  const contender = (body: string) => `
    import { appendFileSync, readFileSync, existsSync } from 'node:fs';
    import { StartLock } from ${JSON.stringify(LOCK)};
    const result = () => existsSync(${JSON.stringify(`${directory}/done`)}) ? true : undefined;
    await new StartLock(${JSON.stringify(directory)}, 'x').once(result, async () => { ${body} });`;
  const finish = () =>
    `appendFileSync(${JSON.stringify(`${directory}/work`)}, 'once'); await new Promise((r) => setTimeout(r, 100)); appendFileSync(${JSON.stringify(`${directory}/done`)}, '');`;

  it('lets one of many processes work', async () => {
    await Promise.all(Array.from({ length: 6 }, () => node(contender(finish())).ended));
    expect(readFileSync(join(directory, 'work'), 'utf8')).toBe('once');
  });

  it('passes to exactly one other when its holder is killed', async () => {
    const first = node(contender(`console.log('at work'); await new Promise(() => setInterval(() => {}, 1e6));`));
    await until(() => first.output() !== '', 'the first one works');
    const others = Array.from({ length: 4 }, () => node(contender(finish())).ended);
    first.child.kill('SIGKILL');
    await Promise.all(others);
    expect(readFileSync(join(directory, 'work'), 'utf8')).toBe('once');
  });

  it('is not needed for what is there', async () => {
    expect(
      await new StartLock(directory, 'x').once(
        () => 'there',
        () => Promise.reject(new Error('worked')),
      ),
    ).toBe('there');
  });
});

describe('a run', () => {
  it('ends its processes and removes its directory', async () => {
    const run = Run.ofThisProcess();
    const room = new Room(join(run.path, 'nats-abc'));
    const identity = room.start('sleeper', process.execPath, '-e', 'setInterval(() => {}, 1e6)');
    await run.stop();
    expect(isAlive(identity)).toBe(false);
    expect(existsSync(run.path)).toBe(false);
  });

  it('is swept when its owner was killed, and not while the owner lives', async () => {
    const owner = node(`
      import { Run } from ${JSON.stringify(RUN)};
      import { Room } from ${JSON.stringify(RUN.replace('run.ts', 'room.ts'))};
      const run = Run.ofThisProcess();
      const server = new Room(run.path + '/nats-abc').start('sleeper', process.execPath, '-e', 'setInterval(() => {}, 1e6)');
      console.log(JSON.stringify({ path: run.path, server }));
      setInterval(() => {}, 1e6);`);
    await until(() => owner.output().endsWith('\n'), 'the owner has started a server');
    const { path, server } = JSON.parse(owner.output()) as { path: string; server: ProcessIdentity };
    await Run.sweep();
    expect(isAlive(server)).toBe(true);
    owner.child.kill('SIGKILL');
    await owner.ended;
    await Run.sweep();
    expect(isAlive(server)).toBe(false);
    expect(existsSync(path)).toBe(false);
  });

  it('does not disturb another run', async () => {
    const [one, other] = [Run.ofThisProcess(), Run.ofThisProcess()];
    try {
      const [a, b] = await Promise.all([one.start('azure'), other.start('azure')]);
      expect(a.endpoint).not.toBe(b.endpoint);
      await one.stop();
      expect((await fetch(b.endpoint)).status).toBeGreaterThan(0);
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });

  it('says why a server cannot be started, and does not try again', async () => {
    const run = Run.ofThisProcess();
    try {
      writeFileSync(join(run.path, 'nats.json'), JSON.stringify({ failure: 'the nats server did not start' }));
      await expect(run.start('nats')).rejects.toThrow('the nats server did not start');
      expect(readJSON(join(run.path, 'nats.lock.1'))).toBeUndefined();
    } finally {
      await run.stop();
    }
  });
});
