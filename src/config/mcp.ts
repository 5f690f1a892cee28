/** Settings of the MCP doors: token, addresses and the gate in front of restores (docs/mcp.md, Who may do what). */

import { statSync } from 'node:fs';
import { registerSecret } from '../base/redact.ts';
import { Secret } from '../base/secret.ts';
import type { ListenAddress } from '../http/options.ts';
import type { MCPSettings } from '../mcp/options.ts';
import { isLoopback, parseListenAddress } from './address.ts';
import type { MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings } from './findings.ts';
import { absolutePath } from './paths.ts';
import { MCP_KEYS } from './schema.ts';
import { type Placed, readSection, type Values } from './section.ts';

const TOKEN_VARIABLE = 'LITESTREAM_MCP_TOKEN';
const SHORTEST_TOKEN = 16;
const LOOPBACK = '127.0.0.1';

type MCPValues = Values<typeof MCP_KEYS>;

export function resolveMCP(
  node: MapNode | undefined,
  address: Placed<string> | undefined,
  env: Environment,
  findings: Findings,
): MCPSettings {
  const values: MCPValues = node === undefined ? {} : readSection(node, MCP_KEYS, findings);
  const token = resolveToken(values, env, findings);
  const guarded = token !== undefined || values['token-file'] !== undefined;
  const listen = resolveAddress(address, guarded, findings);
  return {
    ...(listen === undefined ? {} : { address: listen }),
    readOnly: values['read-only']?.value ?? true,
    ...(token === undefined ? {} : { token }),
    tokenScopes: (values['token-scopes']?.value ?? ['read']) as MCPSettings['tokenScopes'],
    ...optionalPath('tokenFile', values['token-file'], env),
    gate: {
      restoreDirs: (values['restore-dirs']?.value ?? []).map((directory) => absolutePath(directory, env)),
      confirm: values.confirm?.value ?? 'auto',
      planTTLMs: values['plan-ttl']?.value ?? 600_000,
      maxRestores: values['max-restores']?.value ?? 2,
    },
    allowedHosts: values['allowed-hosts']?.value ?? [],
    allowedOrigins: values['allowed-origins']?.value ?? [],
    sse: values.sse?.value ?? true,
    maxResultChars: values['max-result-chars']?.value ?? 20_000,
    ...optionalPath('auditLog', values['audit-log'], env),
    auditReads: values['audit-reads']?.value ?? true,
  };
}

function optionalPath<N extends string>(name: N, path: Placed<string> | undefined, env: Environment): { readonly [K in N]?: string } {
  return path === undefined ? {} : ({ [name]: absolutePath(path.value, env) } as { readonly [K in N]?: string });
}

/** The environment wins over the file. */
function resolveToken(values: MCPValues, env: Environment, findings: Findings): Secret | undefined {
  const fromEnvironment = env[TOKEN_VARIABLE];
  const text = fromEnvironment || values.token?.value;
  if (text === undefined || text === '') return undefined;
  const at = fromEnvironment ? { key: TOKEN_VARIABLE } : (values.token?.at ?? { key: 'mcp.token' });
  if (text.length < SHORTEST_TOKEN) findings.warning(at, `the token has fewer than ${SHORTEST_TOKEN} characters and can be guessed`);
  if (!/^[\x21-\x7e]+$/.test(text)) findings.error(at, 'the token must be printable ASCII without blanks, or no client can send it');
  if (values.token !== undefined && !values.token.expanded && readableByOthers(values.token.at.file)) {
    findings.warning(values.token.at, `other users can read the token in this file: chmod 600 it, or use ${TOKEN_VARIABLE}`);
  }
  registerSecret(text);
  return new Secret(text);
}

function readableByOthers(file: string | undefined): boolean {
  if (file === undefined) return false;
  try {
    return (statSync(file).mode & 0o004) !== 0;
  } catch {
    return false;
  }
}

/** Without a host: loopback only while there is no token, every interface with one. */
function resolveAddress(address: Placed<string> | undefined, guarded: boolean, findings: Findings): ListenAddress | undefined {
  if (address === undefined || address.value === '') return undefined;
  const listen = parseListenAddress(address.value);
  if (listen === undefined) {
    findings.error(address.at, `"${address.value}" is not an address such as 127.0.0.1:3001 or :3001`);
    return undefined;
  }
  if (guarded) return listen;
  if (listen.anyHost) return { ...listen, host: LOOPBACK };
  if (!isLoopback(listen.host))
    findings.error(
      address.at,
      `${address.value} can be reached from outside this machine, which needs a token: set ${TOKEN_VARIABLE} or mcp.token-file`,
    );
  return listen;
}
