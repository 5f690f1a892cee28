/** The repository's own server for the protocol of OSS: see tools/services/oss. */

import { startFake } from '../fake.ts';
import type { ServiceDefinition } from '../service.ts';

export const oss: ServiceDefinition<'oss'> = {
  name: 'oss',
  packages: [],
  programs: [],

  async start(room) {
    const { port, ...login } = await startFake(room, 'oss');
    const keys = { region: 'cn-hangzhou', accessKeyID: 'testkey', accessKeySecret: 'testsecret' };
    return { endpoint: `http://127.0.0.1:${port}`, ...keys, ...pick(login, Object.keys(keys)) };
  },
};

const pick = (values: Record<string, unknown>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (typeof values[name] === 'string' ? [[name, values[name]]] : [])));
