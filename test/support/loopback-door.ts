/** A listener on a port of 127.0.0.1 that can be shut and opened again at the same port, with all connections gone in between. */

import type { Server, Socket } from 'node:net';

/** Below those that Linux gives away by itself. */
const OWN_PORTS = { first: 11_000, count: 20_000 };

export class LoopbackDoor {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  async open(): Promise<void> {
    if (this.#port === 0) this.#port = await this.#openSomewhere();
    else await this.#listen(this.#port);
  }

  /** The port is none that the system gives to who asks for any: it is still free when the door is opened again. */
  async #openSomewhere(): Promise<number> {
    for (;;) {
      const port = OWN_PORTS.first + Math.floor(Math.random() * OWN_PORTS.count);
      const isTaken = await this.#listen(port).then(
        () => false,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EADDRINUSE') throw error;
          return true;
        },
      );
      if (!isTaken) return port;
    }
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** Nobody listens any more: connecting is refused. */
  async shut(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.reset();
    await closed;
  }

  /** Ends all connections with RST. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
