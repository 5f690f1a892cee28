/** How one logs in to an SSH server: what is offered, in which order, and what went wrong in words. */

import { readFile } from 'node:fs/promises';
import ssh2, {
  type AnyAuthMethod,
  type IdentityCallback,
  type KeyboardInteractiveAuthMethod,
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
  /** In the order of trying. */
  readonly methods: AnyAuthMethod[];
  /** For people. */
  readonly offered: readonly string[];
  /** Why the agent gave no keys, once it was asked. */
  agentFailure(): string | undefined;
}

/** Private keys that were read, so that a passphrase is worked through (most of a second of computing) once and not for each connection. */
export class KeyRing {
  readonly #keys = new Map<string, { readonly text: string; readonly key: ParsedKey }>();

  /** The key in a file, which is read anew each time. CREDENTIALS_INVALID for one that cannot be used. */
  async read(path: string, passphrase: string | undefined): Promise<ParsedKey> {
    const text = await readKeyFile(path);
    const known = this.#keys.get(path);
    if (known?.text === text) return known.key;
    const key = parseKey(text, path, passphrase);
    this.#keys.set(path, { text, key });
    return key;
  }
}

/**
 * What is offered: the key, then the agent, then the password, so that the secret that could be misused is sent last. CREDENTIALS_INVALID for a
 * key that cannot be used, and when there is nothing to offer.
 */
export async function credentialsOf(hop: Hop, keys: KeyRing): Promise<Credentials> {
  const { user: username, keyPath, agent: socket, password } = hop;
  const methods: AnyAuthMethod[] = [];
  const offered: string[] = [];
  if (keyPath !== undefined) {
    methods.push({ type: 'publickey', username, key: await keys.read(keyPath, hop.passphrase) });
    offered.push(`the key ${keyPath}`);
  }
  const agent = socket === undefined ? undefined : new PatientAgent(socket);
  if (agent !== undefined) {
    methods.push({ type: 'agent', username, agent });
    offered.push(`the keys of the agent at ${socket}`);
  }
  if (password !== undefined) {
    methods.push({ type: 'password', username, password }, { type: 'keyboard-interactive', username, prompt: answerWith(password) });
    offered.push('a password');
  }
  if (methods.length === 0)
    throw new LitestreamError('CREDENTIALS_INVALID', `there is nothing to log in with to ${username}@${hop.host}`, {
      hint: 'Set a password, key-path, or the socket of an agent.',
    });
  return { methods, offered, agentFailure: () => agent?.failure };
}

async function readKeyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new LitestreamError('CREDENTIALS_INVALID', `cannot read the private key ${path} (${systemCode(error) ?? 'error'})`, {
      cause: error,
      hint: 'Check key-path, and that this process may read the file.',
    });
  }
}

function parseKey(text: string, path: string, passphrase: string | undefined): ParsedKey {
  const parsed = ssh2.utils.parseKey(text, passphrase);
  if (!(parsed instanceof Error) && parsed.isPrivateKey()) return parsed;
  const reason = parsed instanceof Error ? parsed.message : 'it is a public key';
  const hint = /passphrase|encrypted|integrity/i.test(reason)
    ? `${passphrase === undefined ? 'Set' : 'Check'} the passphrase of the key.`
    : 'Give a private key in the form of OpenSSH or PEM.';
  throw new LitestreamError('CREDENTIALS_INVALID', `cannot use the private key ${path}: ${reason}`, { hint });
}

/** The password for the first hidden question of a server; questions after it (a second factor) are answered with nothing. */
function answerWith(password: string): KeyboardInteractiveAuthMethod['prompt'] {
  let isUsed = false;
  return (_name, _instructions, _language, prompts, finish) => {
    finish(
      prompts.map(({ echo = false }) => {
        if (echo || isUsed) return '';
        isUsed = true;
        return password;
      }),
    );
  };
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
