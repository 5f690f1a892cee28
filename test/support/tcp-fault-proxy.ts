/** A TCP connection between a client of ours and a real server that breaks, stalls and slows down by script. */

import { connect, createServer, type Socket } from 'node:net';
import { LoopbackDoor } from './loopback-door.ts';
import { paced } from './paced.ts';

export type Direction = 'to server' | 'to client';

export type TCPFault =
  /** After so many bytes in a direction both sides lose the connection. */
  | { readonly type: 'cut'; readonly direction: Direction; readonly after: number; readonly how?: 'reset' | 'end' }
  /** After so many bytes nothing comes any more in this direction; the connection stays. */
  | { readonly type: 'silence'; readonly direction: Direction; readonly after: number }
  | { readonly type: 'slow'; readonly direction: Direction; readonly bytesPerSecond: number };

interface Rule {
  readonly fault: TCPFault;
  left: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

export class TCPFaultProxy {
  readonly #door: LoopbackDoor;
  readonly #links = new Set<Link>();
  readonly #rules: Rule[] = [];
  /** A script has made a connection silent. */
  isSilent = false;
  /** Connections that were accepted so far. */
  accepted = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    const server = createServer({ noDelay: true }, (client) => this.#join(client, target));
    this.#door = new LoopbackDoor(server);
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<TCPFaultProxy> {
    const proxy = new TCPFaultProxy(target);
    await proxy.#door.open();
    return proxy;
  }

  get port(): number {
    return this.#door.port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#door.connections;
  }

  /** Adds a fault, counting its bytes from now over all connections; `times` it happens, default once. */
  script(fault: TCPFault, times = 1): void {
    this.#rules.push({ fault, left: times });
  }

  /** No more faults, and what was silent is gone. */
  heal(): void {
    if (this.isSilent) this.#door.reset();
    this.isSilent = false;
    this.#rules.length = 0;
  }

  /** Connections break and new ones are refused. */
  async down(): Promise<void> {
    await this.#door.shut();
  }

  async up(): Promise<void> {
    await this.#door.open();
  }

  /** All connections break with RST; new ones are accepted. */
  reset(): void {
    this.#door.reset();
  }

  async stop(): Promise<void> {
    this.#rules.length = 0;
    await this.#door.shut();
  }

  #join(client: Socket, { host, port }: { readonly host: string; readonly port: number }): void {
    this.accepted += 1;
    const server = connect({ host, port, noDelay: true });
    const link = { client, server };
    this.#links.add(link);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => {});
      socket.once('close', () => {
        other.destroy();
        this.#links.delete(link);
      });
    }
    void this.#pass(link, 'to server').catch(() => {});
    void this.#pass(link, 'to client').catch(() => {});
  }

  async #pass(link: Link, direction: Direction): Promise<void> {
    const [from, to] = direction === 'to server' ? [link.client, link.server] : [link.server, link.client];
    // What a fault has counted belongs to the rule as long as it waits, whatever connection the bytes came over.
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const rule = this.#rules.find(({ fault, left }) => left > 0 && fault.direction === direction);
      const passed = rule === undefined || rule.fault.type === 'slow' ? chunk : this.#until(rule, chunk);
      if (rule?.fault.type === 'slow') for await (const piece of paced(passed, rule.fault.bytesPerSecond)) await write(to, piece);
      else await write(to, passed);
      if (passed.length === chunk.length && !this.#isDue(rule)) continue;
      if (rule === undefined) continue;
      if (rule.fault.type === 'silence') {
        this.isSilent = true;
        rule.left -= 1;
        return void (await new Promise(() => {}));
      }
      this.#break(rule, link);
      return;
    }
    to.end();
  }

  readonly #counted = new WeakMap<Rule, number>();

  #until(rule: Rule, chunk: Buffer): Buffer {
    const { fault } = rule;
    if (fault.type === 'slow') return chunk;
    const before = this.#counted.get(rule) ?? 0;
    this.#counted.set(rule, Math.min(before + chunk.length, fault.after));
    return chunk.subarray(0, fault.after - before);
  }

  #isDue(rule: Rule | undefined): boolean {
    return rule !== undefined && rule.fault.type !== 'slow' && (this.#counted.get(rule) ?? 0) >= rule.fault.after;
  }

  #break(rule: Rule, { client, server }: Link): void {
    rule.left -= 1;
    this.#counted.delete(rule);
    const { fault } = rule;
    // What was written leaves first: a reset throws away what is still in the buffer.
    setTimeout(() => {
      if (fault.type === 'cut' && fault.how === 'end') client.end();
      else client.resetAndDestroy();
      server.destroy();
    }, 5);
  }
}

function write(to: Socket, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (to.destroyed) reject(new Error('the other side is gone'));
    else to.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
