/** The line between a daemon and a server, on which everything goes wrong that can; HTTP or plain TCP, as the destination wants it. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy, type HTTPFault, type Place } from '../support/fault-proxy.ts';
import type { Random } from '../support/random.ts';
import { TCPFaultProxy } from '../support/tcp-fault-proxy.ts';

const PLACES: readonly Place[] = ['header', 'first byte', 'middle', 'last byte', 'end'];

/** Faults that wait for their request; more would only be a worse line than this. */
const WAITING = 4;

const ADDRESS = /127\.0\.0\.1:(\d+)/;

export class BadLine {
  readonly #proxy: FaultProxy | TCPFaultProxy | undefined;
  /** What leads through here, as it stands in a configuration. */
  readonly lines: readonly string[];
  readonly #counts: Record<string, number> = {};

  private constructor(proxy: FaultProxy | TCPFaultProxy | undefined, lines: readonly string[]) {
    this.#proxy = proxy;
    this.lines = lines;
  }

  /** A line to what `written` leads to: the same lines with another port. A destination without a server has none. */
  static async to(written: readonly string[], directory: string): Promise<BadLine> {
    const address = written.map((line) => ADDRESS.exec(line)).find((found) => found !== null);
    if (address === undefined) return new BadLine(undefined, written);
    const port = Number(address[1]);
    const isHTTP = !written.some((line) => line === 'type: sftp' || line === 'type: nats');
    const proxy = isHTTP ? await FaultProxy.start(`http://127.0.0.1:${port}`) : await TCPFaultProxy.start({ host: '127.0.0.1', port });
    const through = (text: string): string => text.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${proxy.port}`);
    return new BadLine(
      proxy,
      written.map((line) => (line.startsWith('known-hosts: ') ? knownAt(line, port, proxy.port, directory) : through(line))),
    );
  }

  /** How often each kind of fault was scripted. */
  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  async somethingHappens(random: Random): Promise<void> {
    const proxy = this.#proxy;
    if (proxy === undefined) return;
    if (random.chance(0.03)) {
      this.#note('away');
      await proxy.down();
      await sleep(random.between(200, 4000));
      await proxy.up();
    } else if (proxy instanceof FaultProxy) {
      if (proxy.outstanding >= WAITING) return;
      const fault = httpFault(random);
      this.#note(fault.type === 'answer' ? `answer ${fault.answer.status}` : fault.type);
      proxy.script({ fault, times: fault.type === 'answer' ? random.between(1, 5) : 1 });
    } else this.#breakTCP(proxy, random);
  }

  heal(): void {
    this.#proxy?.heal();
  }

  async stop(): Promise<void> {
    await this.#proxy?.stop();
  }

  #breakTCP(proxy: TCPFaultProxy, random: Random): void {
    const direction = random.pick(['to server', 'to client'] as const);
    const after = random.pick([0, random.between(1, 200), random.between(200, 20_000), random.between(20_000, 4_000_000)]);
    const kind = random.between(0, 9);
    if (proxy.isSilent && random.chance(0.5)) proxy.heal();
    else if (kind < 4) this.#script(proxy, { type: 'cut', direction, after, how: random.pick(['reset', 'end']) });
    else if (kind < 5) this.#script(proxy, { type: 'silence', direction, after });
    else if (kind < 6) this.#script(proxy, { type: 'slow', direction, bytesPerSecond: random.between(100_000, 2_000_000) });
    else if (kind < 7) {
      this.#note('reset');
      proxy.reset();
    } else if (random.chance(0.5)) proxy.heal();
  }

  #script(proxy: TCPFaultProxy, fault: Parameters<TCPFaultProxy['script']>[0]): void {
    this.#note(fault.type);
    proxy.script(fault);
  }

  #note(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }
}

function httpFault(random: Random): HTTPFault {
  const of = random.pick(['request', 'answer'] as const);
  const kind = random.between(0, 99);
  if (kind < 30) return { type: 'cut', of, at: random.pick(PLACES), how: random.pick(['reset', 'end']) };
  if (kind < 50) return { type: 'answer', answer: { status: random.pick([500, 503, 502, 429]) } };
  if (kind < 70) return { type: 'lost answer' };
  if (kind < 80) return { type: 'late answer', ms: random.between(100, 3000) };
  if (kind < 95) return { type: 'twice', hears: random.pick(['first', 'second']) };
  return { type: 'slow', of, bytesPerSecond: random.between(100_000, 1_000_000) };
}

/** A file in which the server's key is that of the line. */
function knownAt(line: string, from: number, to: number, directory: string): string {
  const path = join(directory, 'known_hosts');
  writeFileSync(path, readFileSync(line.slice('known-hosts: '.length), 'utf8').replaceAll(`:${from}`, `:${to}`));
  return `known-hosts: ${path}`;
}
