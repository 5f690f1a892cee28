/** Azure Blob Storage. */

import type { AzureStoreSpec } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import type { Values } from '../section.ts';
import { bucketName } from './bucket.ts';
import { readEndpoint } from './endpoint.ts';
import { credentialsOf, halfOf, masked, withoutUnset } from './fields.ts';
import { defineStore, type StoreContext, variable } from './kind.ts';
import { joinedPath, prefixOf } from './prefix.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  bucket: { kind: 'string', address: 'exclusive', env: ['LITESTREAM_REPLICA_BUCKET'], doc: 'The container.' },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Prefix in the container.' },
  'account-name': { kind: 'string', url: true, doc: 'The storage account; also before the @ of a URL.' },
  'account-key': { kind: 'string', secret: true, doc: 'Its key; else LITESTREAM_AZURE_ACCOUNT_KEY.' },
  'sas-token': { kind: 'string', secret: true, doc: 'A SAS token, wins over the key; else LITESTREAM_AZURE_SAS_TOKEN.' },
  'connection-string': { kind: 'string', secret: true, doc: 'All of them in one; else LITESTREAM_AZURE_CONNECTION_STRING.' },
  endpoint: {
    kind: 'string',
    url: true,
    address: 'default',
    doc: 'Another endpoint, with the account in it: of an emulator, or of another cloud. By default https://ACCOUNT.blob.core.windows.net.',
  },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

type AzureValues = Values<typeof KEYS>;

const HOST = /^([a-z0-9-]+)\.blob\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)$/i;

export const ABS = defineStore<typeof KEYS, AzureStoreSpec>({
  type: 'abs',
  schemes: ['abs'],
  keys: KEYS,
  partsOf({ user, host, path }) {
    const [, account] = HOST.exec(host) ?? [];
    if (account === undefined) return { bucket: host, path: prefixOf(path), ...(user === undefined ? {} : { 'account-name': user }) };
    // A container has no dots in its name: this is the address of an account, as a browser shows it.
    const [container = '', ...rest] = prefixOf(path).split('/');
    const isPlain = host.toLowerCase().endsWith('.windows.net');
    return { bucket: container, path: rest.join('/'), 'account-name': user ?? account, endpoint: isPlain ? '' : `https://${host}` };
  },
  resolve(values, context) {
    const bucket = bucketName('abs', 'container', values.bucket, context);
    const credentials = credentialsFrom(values, context);
    const endpoint = readEndpoint(values.endpoint, context);
    const account = values['account-name']?.value;
    const isReachable = account !== undefined || endpoint !== undefined || credentials.connectionString !== undefined;
    if (bucket !== undefined && !isReachable && context.isPattern !== true) {
      context.findings.error(context.at, 'an Azure replica needs the key account-name, or the account before the @ of its url');
      return undefined;
    }
    if (bucket === undefined) return undefined;
    return {
      type: 'abs',
      bucket,
      path: joinedPath(values.path?.value ?? ''),
      ...withoutUnset({ accountName: account, endpoint }),
      ...credentialsOf(credentials),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['bucket', spec.bucket],
    ['path', spec.path],
    ['account-name', spec.accountName],
    ['account-key', masked(spec.credentials?.accountKey)],
    ['sas-token', masked(spec.credentials?.sasToken)],
    ['connection-string', masked(spec.credentials?.connectionString)],
    ['endpoint', spec.endpoint],
    ...describeTransport(spec),
  ],
});

interface Credentials {
  readonly accountKey?: string;
  readonly sasToken?: string;
  readonly connectionString?: string;
}

/** One method: a connection string, a SAS token, the account's key; each of the file wins over the environment's. None leaves it to the identity of the machine. */
function credentialsFrom(values: AzureValues, context: StoreContext): Credentials {
  const { 'connection-string': connection, 'sas-token': sas, 'account-key': key, 'account-name': name } = values;
  const { findings } = context;
  const written = [connection, sas, key].filter((one) => one !== undefined);
  const [chosen, ...ignored] = written;
  for (const other of ignored) {
    const winner = chosen === connection ? 'connection-string' : 'sas-token';
    findings.warning(other.at, `not used: ${winner} is given too`);
  }
  if (connection !== undefined) return { connectionString: connection.value };
  if (sas !== undefined) return { sasToken: plainToken(sas.value) };
  const token = variable(context, 'sas-token', ['LITESTREAM_AZURE_SAS_TOKEN']);
  if (token !== undefined) {
    if (key !== undefined) findings.warning(key.at, 'not used: LITESTREAM_AZURE_SAS_TOKEN is set too');
    return { sasToken: plainToken(token) };
  }
  // The endpoint has the account in it.
  const isNamed = name !== undefined || (values.endpoint?.value ?? '') !== '';
  if (key !== undefined && !isNamed) findings.unusable(context.at, key.at, halfOf('account-name'));
  const secret = key?.value ?? (isNamed ? variable(context, 'account-key', ['LITESTREAM_AZURE_ACCOUNT_KEY']) : undefined);
  if (secret !== undefined && isNamed) return { accountKey: secret };
  const whole = variable(context, 'connection-string', ['LITESTREAM_AZURE_CONNECTION_STRING']);
  return whole === undefined ? {} : { connectionString: whole };
}

const plainToken = (token: string): string => token.replace(/^\?/, '');
