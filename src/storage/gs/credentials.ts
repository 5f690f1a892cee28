/** Who we are to Google: the library's own ways of finding credentials and getting tokens for them, and the address they are good for. */

import { Storage, type StorageOptions } from '@google-cloud/storage';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { GCSStoreSpec } from '../spec.ts';

/** For tests: where tokens are fetched. */
export type TokenClientOptions = NonNullable<StorageOptions['clientOptions']>;

export class Credentials {
  readonly #options: StorageOptions;
  readonly #keyFile: string | undefined;
  readonly #isAnonymous: boolean;
  /** Of the service, with scheme and without a slash at the end; STORAGE_EMULATOR_HOST is honoured where the spec names none. */
  readonly endpoint: string;
  #client: Storage;
  #loaded: Promise<unknown> | undefined;

  constructor({ endpoint, projectID, keyFile }: GCSStoreSpec, clientOptions?: TokenClientOptions) {
    this.#options = {
      retryOptions: { autoRetry: false },
      userAgent: 'litestream',
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }),
      ...(projectID === undefined ? {} : { projectId: projectID }),
      ...(clientOptions === undefined ? {} : { clientOptions }),
    };
    this.#keyFile = keyFile;
    this.#client = new Storage(this.#options);
    this.endpoint = this.#client.apiEndpoint;
    if (!/^https?:\/\//.test(this.endpoint) || !URL.canParse(this.endpoint)) {
      throw new LitestreamError('CONFIG_INVALID', `the endpoint ${this.endpoint} of a GCS replica is no URL`, {
        hint: 'Write it with https://.',
      });
    }
    // An emulator knows no tokens, and a token of the environment is not for every host that speaks the protocol.
    this.#isAnonymous = this.#client.customEndpoint && keyFile === undefined && !isGoogle(this.endpoint);
    if (!this.#isAnonymous && this.endpoint.startsWith('http:') && !isLoopback(this.endpoint)) {
      throw new LitestreamError('CONFIG_INVALID', `credentials would go to ${this.endpoint} without encryption`, {
        hint: 'Use an https:// endpoint, or leave out the key file for an emulator.',
      });
    }
  }

  /** Headers that say who we are, for one request; a token is fetched when there is none that is still good. */
  async headers(url: string, signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>> {
    if (this.#isAnonymous) return {};
    const { authClient } = this.#client;
    if (this.#keyFile !== undefined) {
      // As a file of the environment would be loaded: the library's option for it writes a warning to the console.
      this.#loaded ??= authClient._getApplicationCredentialsFromFilePath(this.#keyFile, this.#options.clientOptions);
      await orAbort(this.#loaded, signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        this.#loaded = undefined;
        throw unreadable(this.#keyFile ?? '', error);
      });
    }
    return Object.fromEntries(await orAbort(authClient.getRequestHeaders(url), signal));
  }

  /** The service did not take them: next time files are read and tokens are fetched anew. False when there is nothing to renew. */
  renew(): boolean {
    if (this.#isAnonymous) return false;
    this.#client = new Storage(this.#options);
    this.#loaded = undefined;
    return true;
  }
}

/** Without the cause: a parser quotes what it could not read. */
function unreadable(path: string, error: unknown): LitestreamError {
  const why = systemCode(error) ?? 'not the JSON of credentials';
  return new LitestreamError('CREDENTIALS_INVALID', `cannot use the key file ${path} (${why})`, {
    hint: 'It has to be the JSON file of a service account, or of a workload identity, that this process may read.',
  });
}

const isGoogle = (endpoint: string): boolean => /^https:\/\/(?:[\w.-]+\.)?(?:googleapis\.com|goog)(?::\d+)?$/i.test(endpoint);
const isLoopback = (endpoint: string): boolean => /^http:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(endpoint);
