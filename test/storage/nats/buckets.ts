/** Buckets for tests, made with the library itself, as an operator or another client would. */

import { randomBytes } from 'node:crypto';
import { type ConnectionOptions, connect, type NatsConnection, type ObjectStore, type StreamConfig } from 'nats';

export interface TestBucket {
  readonly name: string;
  /** A connection of its own. */
  readonly connection: NatsConnection;
  /** The library's view of it. */
  readonly objects: ObjectStore;
  /** Subjects of all messages in the stream, with how many there are of each. */
  subjects(): Promise<Readonly<Record<string, number>>>;
  /** Removes the bucket and closes the connection. */
  remove(): Promise<void>;
}

export async function testBucket(options: ConnectionOptions, settings: Partial<StreamConfig> = {}): Promise<TestBucket> {
  const connection = await connect(options);
  const name = `test-${randomBytes(6).toString('hex')}`;
  const manager = await connection.jetstreamManager();
  await manager.streams.add({
    name: `OBJ_${name}`,
    subjects: [`$O.${name}.C.>`, `$O.${name}.M.>`],
    allow_rollup_hdrs: true,
    allow_direct: true,
    num_replicas: 1,
    discard: 'new' as StreamConfig['discard'],
    ...settings,
  });
  return {
    name,
    connection,
    objects: await connection.jetstream().views.os(name),
    async subjects() {
      // A connection of its own: the other one may have been lost meanwhile.
      const fresh = await connect(options);
      const { streams } = await fresh.jetstreamManager();
      const { state } = await streams.info(`OBJ_${name}`, { subjects_filter: '>' });
      await fresh.close();
      return state.subjects ?? {};
    },
    async remove() {
      await manager.streams.delete(`OBJ_${name}`).catch(() => {});
      await connection.close();
    },
  };
}
