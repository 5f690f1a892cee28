/** Listing a prefix, page after page, without ever taking a foreign answer for an empty bucket. */

import { type _Object, ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { compareKeys } from '../key.ts';
import type { CallOptions, ObjectInfo } from '../object-store.ts';
import type { Session } from './session.ts';

export interface ListCall extends CallOptions {
  readonly bucket: string;
  readonly prefix: string;
  /** Exclusive. */
  readonly after: string | undefined;
}

/** Objects in the order of the service. Prefix and start are checked here, too: some lookalikes ignore the latter. */
export async function* listObjects(session: Session, { bucket, prefix, after, signal }: ListCall): AsyncGenerator<ObjectInfo> {
  let token: string | undefined;
  do {
    const page = await listPage(session, bucket, { prefix, after, token }, signal);
    for (const object of page.Contents ?? []) {
      const info = infoOf(session, object);
      if (!info.key.startsWith(prefix) || (after !== undefined && compareKeys(info.key, after) <= 0)) continue;
      signal?.throwIfAborted();
      yield info;
    }
    token = nextToken(session, page, token);
    signal?.throwIfAborted();
  } while (token !== undefined);
}

interface Position {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly token: string | undefined;
}

async function listPage(session: Session, bucket: string, { prefix, after, token }: Position, signal: AbortSignal | undefined) {
  const input = {
    Bucket: bucket,
    ...(prefix === '' ? {} : { Prefix: prefix }),
    ...(after === undefined ? {} : { StartAfter: after }),
    ...(token === undefined ? {} : { ContinuationToken: token }),
  };
  const page = await session.call({ operation: 'list', signal }, (client, options) =>
    client.send(new ListObjectsV2Command(input), options),
  );
  checkPage(session, page);
  return page;
}

/** The SDK reads a login page, or nothing at all, as a listing without contents: that must not look like an empty replica. */
function checkPage(session: Session, { IsTruncated, Name, Prefix, KeyCount, Contents }: ListObjectsV2CommandOutput): void {
  if (typeof IsTruncated !== 'boolean' || (Name === undefined && Prefix === undefined && KeyCount === undefined)) {
    throw session.unintelligible({ operation: 'list' }, 'neither a name nor an end of the list');
  }
  if (KeyCount !== undefined && KeyCount > 0 && (Contents ?? []).length === 0) {
    throw session.unintelligible({ operation: 'list' }, `it counts ${KeyCount} objects and shows none`);
  }
}

function nextToken(session: Session, page: ListObjectsV2CommandOutput, last: string | undefined): string | undefined {
  if (page.IsTruncated !== true) return undefined;
  const next = page.NextContinuationToken;
  if (next === undefined || next === '' || next === last) {
    throw session.unintelligible({ operation: 'list' }, 'it says there is more, but not where');
  }
  return next;
}

function infoOf(session: Session, { Key, Size, LastModified }: _Object): ObjectInfo {
  const createdAt = LastModified?.getTime();
  if (Key === undefined || Size === undefined || createdAt === undefined || Number.isNaN(createdAt)) {
    throw session.unintelligible(
      { operation: 'list' },
      `an object without ${Key === undefined ? 'name' : Size === undefined ? 'size' : 'time'}`,
    );
  }
  return { key: Key, size: Size, createdAt };
}
