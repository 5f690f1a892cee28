/** Endpoints that are not what they should be: certificates, host keys, clocks. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { findProgram } from '../../../tools/services/programs.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { LoopbackDoor } from '../../support/loopback-door.ts';
import { service } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { HTTP_BACKENDS, TCP_BACKENDS } from './backends.ts';
import { content, expectSame, fault, get, keys, put } from './rig.ts';

const BYTES = content(20_000);
const HOUR = 3_600_000;

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(async () => {
  vi.useRealTimers();
  await directory.remove();
});

fault('TLS failure', HTTP_BACKENDS, (rig) => {
  it('a certificate nobody vouches for is refused, and nothing is sent', async (context) => {
    if (findProgram('openssl') === undefined) context.skip('there is no openssl to make a certificate with');
    let requests = 0;
    let connections = 0;
    const server = createServer(makeCertificate(directory.path), (_request, response) => {
      requests += 1;
      response.end();
    });
    server.on('connection', () => {
      connections += 1;
    });
    server.on('tlsClientError', () => {});
    const door = new LoopbackDoor(server);
    await door.open();
    try {
      const spec = rig().spec;
      if (!('endpoint' in spec) || spec.endpoint === undefined) throw new Error('no endpoint');
      const store = await rig().open({
        ...spec,
        endpoint: spec.endpoint.replace(`http://127.0.0.1:${rig().proxy.port}`, `https://127.0.0.1:${door.port}`),
      });
      await expect(keys(store, rig().prefix)).rejects.toMatchObject({
        code: 'ENDPOINT_UNTRUSTED',
        hint: expect.stringMatching(/certificate|NODE_EXTRA_CA_CERTS/),
      });
      expect(requests).toBe(0);
      expect(connections).toBeLessThanOrEqual(2);
    } finally {
      await door.shut();
    }
  });
});

const sftp = TCP_BACKENDS.filter(({ name }) => name === 'sftp');

fault('Host key mismatch (SFTP)', sftp, (rig) => {
  it('is refused at once, with both fingerprints', async () => {
    const { strangerKeyPath } = await service('sftp');
    const spec = rig().spec;
    if (spec.type !== 'sftp') throw new Error('not SFTP');
    const other = readFileSync(`${strangerKeyPath}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    const store = await rig().open({ ...spec, hostKeys: [other] });
    const error = await keys(store, rig().prefix).then(
      () => undefined,
      (reason: Error & { code: string; hint: string }) => reason,
    );
    expect(error?.code).toBe('ENDPOINT_UNTRUSTED');
    expect(`${error?.message} ${error?.hint}`.match(/SHA256:[\w+/]{43}/g)?.length).toBeGreaterThanOrEqual(2);
    expect(rig().proxy.accepted).toBe(1);
  });
});

const withClocks = HTTP_BACKENDS.filter(({ name }) => name === 's3' || name === 'oss');

fault('Clock skew', withClocks, (rig) => {
  it.each([HOUR, -HOUR])('of %i ms is corrected by the date of the service, and the call succeeds', async (skew) => {
    const store = await rig().open();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + skew });
    await put(store, rig().key('object'), BYTES);
    expect(await keys(store, rig().prefix)).toEqual([rig().key('object')]);
    expectSame(await get(store, rig().key('object')), BYTES);
    expect(rig().proxy.seen.length).toBeLessThanOrEqual(6);
  });
});
