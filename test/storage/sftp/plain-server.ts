/** An SSH server in the process with the plain protocol of SFTP and none of OpenSSH's extensions, on a local directory, that logs in as a test says. */

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2, { type Attributes, type AuthContext, type Connection, type SFTPWrapper } from 'ssh2';
import { systemCode } from '../../../src/base/system-error.ts';

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;

export interface PlainServerOptions {
  readonly root: string;
  readonly onLogin?: (context: AuthContext) => void;
  /** Asked before each request; a number is the status it is answered with, `silent` no answer at all. */
  readonly onRequest?: (name: string) => number | 'silent' | undefined;
}

/** One key of 256 that ssh2 makes lacks a leading zero, and cannot be read (mscdex/ssh2#1513). */
function keyPair(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    const isWhole = [pair.private, pair.public].every((key) => !(ssh2.utils.parseKey(key) instanceof Error));
    if (isWhole) return pair;
  }
}

export class PlainServer {
  /** Of the server, in authorized_keys form. */
  readonly hostKey: string;
  /** Names of the requests that came, in order. */
  readonly requests: string[] = [];
  /** Methods clients have tried to log in with, and what they sent. */
  readonly logins: string[] = [];
  readonly connections = new Set<Connection>();
  readonly #server: ssh2.Server;
  readonly #options: PlainServerOptions;

  private constructor(options: PlainServerOptions) {
    this.#options = options;
    const pair = keyPair();
    this.hostKey = pair.public;
    this.#server = new ssh2.Server({ hostKeys: [pair.private] }, (connection) => this.#serve(connection));
  }

  static async start(options: PlainServerOptions): Promise<PlainServer> {
    const server = new PlainServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.end();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #serve(connection: Connection): void {
    this.connections.add(connection);
    connection.on('error', () => {});
    connection.on('close', () => this.connections.delete(connection));
    connection.on('authentication', (context) => {
      this.logins.push(context.method === 'password' ? `password ${context.password}` : context.method);
      if (this.#options.onLogin === undefined) context.accept();
      else this.#options.onLogin(context);
    });
    connection.on('session', (accept) => {
      accept().on('sftp', (acceptSFTP) => this.#answer(acceptSFTP()));
    });
  }

  #answer(sftp: SFTPWrapper): void {
    const { root } = this.#options;
    const open = new Map<number, number | { names: string[]; path: string }>();
    let last = 0;
    const at = (path: string) => join(root, path);
    const fd = (handle: Buffer) => open.get(handle.readUInt32BE(0)) as number;
    const hand = (id: number, value: number | { names: string[]; path: string }) => {
      last += 1;
      open.set(last, value);
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(last);
      sftp.handle(id, handle);
    };
    const attributes = (facts: ReturnType<typeof statSync>): Attributes => {
      const { mode, uid, gid, size, atimeMs, mtimeMs } = facts as import('node:fs').Stats;
      return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
    };
    const on = (name: string, work: (id: number, ...args: never[]) => void) => {
      sftp.on(name, (id: number, ...args: never[]) => {
        this.requests.push(name);
        const scripted = this.#options.onRequest?.(name);
        if (scripted === 'silent') return;
        if (scripted !== undefined) return sftp.status(id, scripted);
        try {
          work(id, ...args);
        } catch (error) {
          const code = systemCode(error);
          sftp.status(id, code === 'ENOENT' || code === 'ENOTDIR' ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.FAILURE);
        }
      });
    };
    const ok = (id: number) => sftp.status(id, STATUS_CODE.OK);
    on('OPEN', (id, path: string, flags: number) => {
      hand(id, openSync(at(path), flags & OPEN_MODE.WRITE ? (flags & OPEN_MODE.EXCL ? 'wx+' : 'w+') : 'r'));
    });
    on('READ', (id, handle: Buffer, offset: number, length: number) => {
      // Fewer bytes than were asked for, as the protocol allows.
      const buffer = Buffer.alloc(Math.min(length, 20_000));
      const count = readSync(fd(handle), buffer, 0, buffer.length, offset);
      if (count === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, count));
    });
    on('WRITE', (id, handle: Buffer, offset: number, data: Buffer) => {
      writeSync(fd(handle), data, 0, data.length, offset);
      ok(id);
    });
    on('FSTAT', (id, handle: Buffer) => sftp.attrs(id, attributes(fstatSync(fd(handle)))));
    on('FSETSTAT', (id, handle: Buffer, { atime, mtime, size }: Attributes) => {
      if (mtime !== undefined) futimesSync(fd(handle), atime, mtime);
      if (size !== undefined) ftruncateSync(fd(handle), size);
      ok(id);
    });
    on('CLOSE', (id, handle: Buffer) => {
      const value = open.get(handle.readUInt32BE(0));
      if (typeof value === 'number') closeSync(value);
      open.delete(handle.readUInt32BE(0));
      ok(id);
    });
    on('OPENDIR', (id, path: string) => hand(id, { names: ['.', '..', ...readdirSync(at(path))], path: at(path) }));
    on('READDIR', (id, handle: Buffer) => {
      const listing = open.get(handle.readUInt32BE(0)) as { names: string[]; path: string };
      if (listing.names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const names = listing.names.splice(0, 50).flatMap((filename) => {
        const facts = statSync(join(listing.path, filename), { throwIfNoEntry: false });
        return facts === undefined ? [] : [{ filename, longname: filename, attrs: attributes(facts) }];
      });
      sftp.name(id, names);
    });
    on('STAT', (id, path: string) => sftp.attrs(id, attributes(statSync(at(path)))));
    on('LSTAT', (id, path: string) => sftp.attrs(id, attributes(statSync(at(path)))));
    on('MKDIR', (id, path: string) => {
      mkdirSync(at(path));
      ok(id);
    });
    on('REMOVE', (id, path: string) => {
      rmSync(at(path));
      ok(id);
    });
    on('RENAME', (id, from: string, to: string) => {
      if (statSync(at(to), { throwIfNoEntry: false }) !== undefined) return sftp.status(id, STATUS_CODE.FAILURE);
      renameSync(at(from), at(to));
      ok(id);
    });
    on('EXTENDED', (id) => sftp.status(id, STATUS_CODE.OP_UNSUPPORTED));
  }
}
