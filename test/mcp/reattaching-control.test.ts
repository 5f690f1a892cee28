import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { Control } from '../../src/control/control.ts';
import { reattachingControl } from '../../src/mcp/reattaching-control.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeControl } from './support/fake-control.ts';
import { readerCaller } from './support/settings.ts';

const call = { caller: readerCaller, signal: new AbortController().signal };

test('a daemon that starts later is found, and asked from then on', async () => {
  const clock = new FakeClock();
  let daemon: Control | undefined;
  let looks = 0;
  const attach = async () => {
    looks += 1;
    return daemon;
  };
  const control = await reattachingControl({ attach, offline: async () => fakeControl({ attached: 'offline' }), clock });
  expect(control.attached).toBe('offline');
  await control.call('version', {}, call);
  expect(looks).toBe(1);
  const running = fakeControl();
  daemon = running;
  await clock.advance(2_000);
  await control.call('version', {}, call);
  expect(control.attached).toBe('daemon');
  expect(running.seen).toHaveLength(1);
  await clock.advance(60_000);
  await control.call('version', {}, call);
  expect(looks).toBe(2);
});

test('a daemon that has gone is let go, and the call that noticed is not repeated', async () => {
  const gone = fakeControl({
    handlers: {
      version: () => {
        throw new LitestreamError('DAEMON_UNREACHABLE', 'the daemon does not answer');
      },
    },
  });
  const offline = fakeControl({ attached: 'offline' });
  const daemons: (Control | undefined)[] = [gone, undefined];
  const control = await reattachingControl({ attach: async () => daemons.shift(), offline: async () => offline, clock: new FakeClock() });
  await expect(control.call('version', {}, call)).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' });
  expect(offline.seen).toHaveLength(0);
  await control.call('version', {}, call);
  expect(control.attached).toBe('offline');
  expect(offline.seen).toHaveLength(1);
});

test('other errors of the daemon are its answers', async () => {
  const daemon = fakeControl();
  const control = await reattachingControl({ attach: async () => daemon, offline: async () => fakeControl(), clock: new FakeClock() });
  await expect(control.call('sync', { path: 'app' }, call)).rejects.toMatchObject({ code: 'SCOPE_REQUIRED' });
  expect(control.attached).toBe('daemon');
});
