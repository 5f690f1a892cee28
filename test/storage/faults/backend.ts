/** What the fault matrix has to know of each kind of store: where it is through a proxy, and the words of its service for each trouble. */

import type { StoreSpec } from '../../../src/storage/spec.ts';
import type { Answer, SeenRequest } from '../../support/fault-proxy.ts';
import type { ServiceName } from '../../support/services.ts';

/** A container of its own at a running server. */
export interface Place {
  /** The server itself. */
  readonly target: { readonly host: string; readonly port: number };
  /** A replica of that path there, reached at another port of 127.0.0.1, where the proxy is. */
  through(port: number, path: string): StoreSpec;
  /** The same server with a container that is not there. */
  missingContainer?(port: number): StoreSpec;
  /** The same server with a login that is wrong. */
  wrongCredentials?(port: number): StoreSpec;
}

/** What a service says, in its own words. */
export interface Words {
  /** Asks for fewer requests. */
  readonly throttled: readonly Answer[];
  readonly broken: readonly Answer[];
  readonly denied: Answer;
  readonly expired: Answer;
  readonly full?: Answer;
  readonly archived?: Answer;
}

interface CommonBackend {
  readonly name: string;
  readonly service: ServiceName;
  prepare(): Promise<Place>;
}

export interface HTTPBackend extends CommonBackend {
  readonly kind: 'http';
  readonly words: Words;
  readonly puts: (request: SeenRequest) => boolean;
  readonly gets: (request: SeenRequest) => boolean;
  readonly lists: (request: SeenRequest) => boolean;
  readonly deletes: (request: SeenRequest) => boolean;
}

export interface TCPBackend extends CommonBackend {
  readonly kind: 'tcp';
}

export type Backend = HTTPBackend | TCPBackend;

export const portOf = (endpoint: string): { host: string; port: number } => {
  const { hostname, port } = new URL(endpoint);
  return { host: hostname, port: Number(port) };
};

/** The same URL at another port. */
export const atPort = (endpoint: string, port: number): string => {
  const url = new URL(endpoint);
  url.port = String(port);
  return url.href.replace(/\/$/, '');
};
