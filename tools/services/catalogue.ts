/** Every server for tests by its name, and why one cannot be had here. */

import { existsSync } from 'node:fs';
import { fakeProgram } from './fake.ts';
import { findProgram } from './programs.ts';
import { azure } from './servers/azure.ts';
import { gcs } from './servers/gcs.ts';
import { nats } from './servers/nats.ts';
import { oss } from './servers/oss.ts';
import { s3 } from './servers/s3.ts';
import { sftp } from './servers/sftp.ts';
import { webdavApache } from './servers/webdav-apache.ts';
import { webdavRclone } from './servers/webdav-rclone.ts';
import type { ServiceDefinition, ServiceName } from './service.ts';

export const CATALOGUE: { readonly [N in ServiceName]: ServiceDefinition<N> } = {
  s3,
  azure,
  nats,
  sftp,
  'webdav-apache': webdavApache,
  'webdav-rclone': webdavRclone,
  gcs,
  oss,
};

export const SERVICE_NAMES = Object.keys(CATALOGUE) as readonly ServiceName[];

/** Why a server cannot be started here, in one sentence; undefined when it can. */
export function whyNot(name: ServiceName): string | undefined {
  const { packages, programs, files = [] } = CATALOGUE[name];
  if ((name === 'gcs' || name === 'oss') && fakeProgram(name) === undefined) return `tools/services/${name} holds no server`;
  const missing = [...programs.filter((program) => findProgram(program) === undefined), ...files.filter((path) => !existsSync(path))];
  if (missing.length === 0) return undefined;
  const cure = packages.length === 0 ? 'npm ci' : `npm run services -- install (Debian: ${packages.join(', ')})`;
  return `the ${name} server is not installed: ${missing.join(', ')} missing; ${cure}`;
}
