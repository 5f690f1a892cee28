/** Operator, accounts and users as signed tokens, made as the operator's own tools make them. */

import { randomBytes } from 'node:crypto';
import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface Identities {
  /** For the configuration of the server. */
  readonly config: string;
  readonly userJWT: string;
  readonly userSeed: string;
  /** Contents of a creds file. */
  readonly creds: string;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = {
  ...UNLIMITED,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
};

export const seedOf = (pair: KeyPair): string => Buffer.from(pair.getSeed()).toString('utf8');

export function makeIdentities(): Identities {
  const operator = nkeys.createOperator();
  const [system, account] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const operatorJWT = token(operator, operator, 'operator', { system_account: system.getPublicKey() });
  const systemJWT = token(operator, system, 'account', {
    limits: { ...ACCOUNT_LIMITS, mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 },
  });
  const accountJWT = token(operator, account, 'account', { limits: ACCOUNT_LIMITS });
  const userJWT = token(account, user, 'user', { ...UNLIMITED, pub: {}, sub: {} });
  const userSeed = seedOf(user);
  return {
    config: [
      `operator: ${operatorJWT}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${system.getPublicKey()}: ${systemJWT}, ${account.getPublicKey()}: ${accountJWT} }`,
    ].join('\n'),
    userJWT,
    userSeed,
    creds: block('NATS USER JWT', userJWT) + block('USER NKEY SEED', userSeed),
  };
}

const block = (name: string, text: string): string => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n\n`;

function token(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' });
  const body = part({
    jti: randomBytes(16).toString('hex').toUpperCase(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject.getPublicKey(),
    nats: { ...claims, type, version: 2 },
  });
  const signature = issuer.sign(Buffer.from(`${head}.${body}`));
  return `${head}.${body}.${Buffer.from(signature).toString('base64url')}`;
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
