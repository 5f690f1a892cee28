/** The client of one container: which credentials it uses, where it connects, and what of the library's own doings is switched off. */

import { Agent as HTTPAgent } from 'node:http';
import { Agent as HTTPSAgent } from 'node:https';
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { LitestreamError } from '../../base/errors.ts';
import { registerSecret } from '../../base/redact.ts';
import type { AzureStoreSpec } from '../spec.ts';

export interface AzureConnection {
  readonly container: ContainerClient;
  /** Idle connections go; requests in flight fail. */
  close(): void;
}

/**
 * Credentials by precedence: connection string, SAS, account key, then the chain of the environment (service principal, workload identity,
 * managed identity, CLI), whose package is loaded only then. Nothing is contacted. CONFIG_INVALID for what cannot be used.
 */
export async function connect(spec: AzureStoreSpec): Promise<AzureConnection> {
  const { connectionString, sasToken, accountKey } = spec.credentials ?? {};
  if (connectionString !== undefined) return fromConnectionString(connectionString, spec);
  const endpoint = endpointOf(spec);
  const { options, close } = pipelineOptions(endpoint);
  const url = `${endpoint}/${encodeURIComponent(spec.bucket)}`;
  if (sasToken !== undefined) {
    const query = bareSAS(sasToken);
    return { container: new ContainerClient(`${url}?${query}`, newPipeline(new AnonymousCredential(), options)), close };
  }
  const credential =
    accountKey === undefined ? await environmentCredential() : new StorageSharedKeyCredential(accountNameOf(spec, endpoint), accountKey);
  return { container: new ContainerClient(url, newPipeline(credential, options)), close };
}

/** With scheme and without a slash at the end. */
export function endpointOf({ endpoint, accountName }: AzureStoreSpec): string {
  if (endpoint !== undefined && (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))) {
    throw new LitestreamError('CONFIG_INVALID', `the endpoint ${endpoint} of an Azure replica is no URL`, {
      hint: 'Write it with https://.',
    });
  }
  if (endpoint !== undefined) return endpoint.replace(/\/+$/, '');
  if (accountName !== undefined) return `https://${accountName}.blob.core.windows.net`;
  throw new LitestreamError('CONFIG_INVALID', 'an Azure replica has neither account-name nor endpoint', {
    hint: 'Set account-name, or endpoint for an emulator or a sovereign cloud.',
  });
}

async function environmentCredential() {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

function fromConnectionString(text: string, spec: AzureStoreSpec): AzureConnection {
  const field = (name: string): string | undefined => new RegExp(`(?:^|;)\\s*${name}=([^;]*)`, 'i').exec(text)?.[1];
  for (const secret of [field('AccountKey'), field('SharedAccessSignature')]) if (secret !== undefined) registerSecret(secret);
  const endpoint = field('BlobEndpoint') ?? (field('DefaultEndpointsProtocol') === 'http' ? 'http:' : 'https:');
  const { options, close } = pipelineOptions(/UseDevelopmentStorage=true/i.test(text) ? 'http:' : endpoint);
  try {
    // Text that is no connection string the library takes for a URL, or for nothing at all.
    if (!/(?:^|;)\s*(?:AccountName|BlobEndpoint)=|UseDevelopmentStorage=true/i.test(text)) throw new TypeError('not a connection string');
    return { container: new ContainerClient(text, spec.bucket, options), close };
  } catch {
    // The library's own message may repeat parts of the string.
    throw new LitestreamError('CONFIG_INVALID', 'the connection string of an Azure replica cannot be read', {
      hint: 'Copy it whole from the portal: DefaultEndpointsProtocol=…;AccountName=…;AccountKey=…;EndpointSuffix=….',
    });
  }
}

/** The query of a SAS, whose question mark people copy along. Its signature alone is a secret too: URLs are quoted in pieces. */
function bareSAS(token: string): string {
  const query = token.trim().replace(/^\?/, '');
  const signature = new URLSearchParams(query).get('sig');
  if (signature === null) {
    throw new LitestreamError('CONFIG_INVALID', 'the SAS token of an Azure replica has no signature (sig=…)', {
      hint: 'Copy the whole query string: sv=…&sp=…&se=…&sig=….',
    });
  }
  registerSecret(signature);
  return query;
}

/** Host names carry the account, addresses of emulators have it as the first step of their path. */
function accountNameOf({ accountName }: AzureStoreSpec, endpoint: string): string {
  if (accountName !== undefined) return accountName;
  const { hostname, pathname } = new URL(endpoint);
  const name = pathname.split('/')[1] || /^([a-z0-9]{3,24})\.blob\./.exec(hostname)?.[1];
  if (name !== undefined) return name;
  throw new LitestreamError('CONFIG_INVALID', 'an account-key needs the account-name it belongs to', { hint: 'Set account-name.' });
}

function pipelineOptions(endpoint: string): { readonly options: StoragePipelineOptions; close(): void } {
  // The library's own handling of proxies gives way to an agent that is set.
  const settings = { keepAlive: true, proxyEnv: process.env };
  const agent = endpoint.startsWith('http:') ? new HTTPAgent(settings) : new HTTPSAgent(settings);
  // One try: whoever wraps the store repeats calls, also those this library would not repeat.
  const options: StoragePipelineOptions & { readonly agent: HTTPAgent } = {
    agent,
    retryOptions: { maxTries: 1 },
    userAgentOptions: { userAgentPrefix: 'litestream' },
  };
  return { options, close: () => agent.destroy() };
}
