/** How one logs in to an SSH server: what is offered, in which order, and what went wrong in words. */

import { readFile } from 'node:fs/promises';
import ssh2, {
  type AuthenticationType,
  type Client,
  type ConnectConfig,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { SSHLogin } from '../spec.ts';

/** A server on the way, with the secrets for it. */
export interface Hop extends SSHLogin {
  readonly password?: string;
  readonly passphrase?: string;
}

export interface Credentials {
  readonly config: Pick<ConnectConfig, 'username' | 'password' | 'privateKey' | 'passphrase' | 'agent' | 'tryKeyboard' | 'authHandler'>;
  /** For people. */
  readonly offered: readonly string[];
  /** Why the agent gave no keys, once it was asked. */
  agentFailure(): string | undefined;
  /** Answers what a server asks by keyboard-interactive. */
  answer(client: Client): void;
}

/**
 * What is offered: the key, then the agent, then the password, so that the secret that could be misused is sent last. Key files are read anew
 * each time. CREDENTIALS_INVALID for a key that cannot be used, and when there is nothing to offer.
 */
export async function credentialsOf(hop: Hop): Promise<Credentials> {
  const key = hop.keyPath === undefined ? undefined : await readKey(hop.keyPath, hop.passphrase);
  const agent = hop.agent === undefined ? undefined : new PatientAgent(hop.agent);
  const { password } = hop;
  const methods: AuthenticationType[] = [];
  const offered: string[] = [];
  if (key !== undefined) {
    methods.push('publickey');
    offered.push(`the key ${hop.keyPath}`);
  }
  if (agent !== undefined) {
    methods.push('agent');
    offered.push(`the keys of the agent at ${hop.agent}`);
  }
  if (password !== undefined) {
    methods.push('password', 'keyboard-interactive');
    offered.push('a password');
  }
  if (methods.length === 0)
    throw new LitestreamError('CREDENTIALS_INVALID', `there is nothing to log in with to ${hop.user}@${hop.host}`, {
      hint: 'Set a password, key-path, or the socket of an agent.',
    });
  return {
    config: {
      username: hop.user,
      authHandler: methods,
      tryKeyboard: password !== undefined,
      ...(key === undefined ? {} : { privateKey: key }),
      ...(key === undefined || hop.passphrase === undefined ? {} : { passphrase: hop.passphrase }),
      ...(agent === undefined ? {} : { agent }),
      ...(password === undefined ? {} : { password }),
    },
    offered,
    agentFailure: () => agent?.failure,
    answer: (client) => answerPrompts(client, password),
  };
}

async function readKey(path: string, passphrase: string | undefined): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new LitestreamError('CREDENTIALS_INVALID', `cannot read the private key ${path} (${systemCode(error) ?? 'error'})`, {
      cause: error,
      hint: 'Check key-path, and that this process may read the file.',
    });
  }
  const parsed = ssh2.utils.parseKey(text, passphrase);
  if (!(parsed instanceof Error) && parsed.isPrivateKey()) return text;
  const reason = parsed instanceof Error ? parsed.message : 'it is a public key';
  const hint = /passphrase|encrypted|integrity/i.test(reason)
    ? `${passphrase === undefined ? 'Set' : 'Check'} the passphrase of the key.`
    : 'Give a private key in the form of OpenSSH or PEM.';
  throw new LitestreamError('CREDENTIALS_INVALID', `cannot use the private key ${path}: ${reason}`, { hint });
}

/** The password for the one hidden question of a server; questions after it (a second factor) are answered with nothing. */
function answerPrompts(client: Client, password: string | undefined): void {
  let isUsed = false;
  client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) => {
    finish(
      prompts.map(({ echo = false }) => {
        if (echo || isUsed) return '';
        isUsed = true;
        return password ?? '';
      }),
    );
  });
}

/** An agent that is not there has no keys: the methods after it are still tried. */
class PatientAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly #agent: InstanceType<typeof ssh2.OpenSSHAgent>;
  failure: string | undefined;

  constructor(socket: string) {
    super();
    this.#agent = new ssh2.OpenSSHAgent(socket);
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) this.failure = error.message;
      else if ((keys ?? []).length === 0) this.failure = 'it holds no keys';
      callback(undefined, error ? [] : keys);
    });
  }

  override sign(key: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, callback?: SignCallback): void {
    this.#agent.sign(key, data, typeof options === 'function' ? {} : options, typeof options === 'function' ? options : callback);
  }
}
