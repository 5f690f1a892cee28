/** Uploads in parts that a killed process has left: their parts are in no listing of objects, stay for ever, and are paid for. */

import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { AbandonedOptions } from '../object-store.ts';
import type { WireOptions } from './http-handler.ts';
import type { ObjectPlace } from './reading.ts';
import type { Call } from './session.ts';

/** Pages that are looked through, 1,000 uploads each. */
const MOST_PAGES = 20;

export interface AbandonedPlace extends Omit<ObjectPlace, 'key'> {
  readonly clock: Clock;
}

interface OldUpload {
  readonly key: string;
  readonly id: string;
}

/** As `ObjectStore.endAbandoned`: one request where nothing was left, at least two more for each upload that was. */
export async function endAbandoned(place: AbandonedPlace, prefix: string, options: AbandonedOptions): Promise<number> {
  let ended = 0;
  for (const upload of await oldUploads(place, prefix, options)) {
    if (await isIdle(place, upload, options)) ended += await end(place, upload, options);
  }
  return ended;
}

/** All of them before any is ended, which would move the pages. */
async function oldUploads(place: AbandonedPlace, prefix: string, { idleMs, isOurs, signal }: AbandonedOptions): Promise<OldUpload[]> {
  const { session, bucket } = place;
  const found: OldUpload[] = [];
  let marker: Marker | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...marker });
    const { page, now } = await dated(place, { operation: 'list', signal }, (client, http) => client.send(command, http));
    if (typeof page.IsTruncated !== 'boolean') throw session.unintelligible({ operation: 'list' }, 'no end of the list of uploads');
    for (const { Key: key = '', UploadId: id = '', Initiated } of page.Uploads ?? []) {
      // Where the prefix is not kept to, uploads of others are shown.
      const isMeant = id !== '' && key.startsWith(prefix) && isOurs(key);
      if (isMeant && isBefore(Initiated, now - idleMs)) found.push({ key, id });
    }
    const next = nextMarker(page);
    if (next === undefined || JSON.stringify(next) === JSON.stringify(marker)) break;
    marker = next;
  }
  return found;
}

interface Marker {
  readonly KeyMarker: string;
  readonly UploadIdMarker?: string;
}

function nextMarker({ IsTruncated, NextKeyMarker = '', NextUploadIdMarker }: ListMultipartUploadsCommandOutput): Marker | undefined {
  if (IsTruncated !== true || NextKeyMarker === '') return undefined;
  return { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }) };
}

/** A large snapshot on a slow line takes longer than a day: it is alive as long as parts arrive. */
async function isIdle(place: AbandonedPlace, { key, id }: OldUpload, { idleMs, signal }: AbandonedOptions): Promise<boolean> {
  const { session, plan, bucket } = place;
  let marker: string | undefined;
  for (;;) {
    const from = marker === undefined ? {} : { PartNumberMarker: marker };
    const command = new ListPartsCommand({ Bucket: bucket, Key: key, UploadId: id, ...plan.encryption.access, ...from });
    const listed = await unlessGone(dated(place, { operation: 'list', key, signal }, (client, http) => client.send(command, http)));
    if (listed === undefined) return false;
    const { page, now } = listed;
    if (typeof page.IsTruncated !== 'boolean') throw session.unintelligible({ operation: 'list', key }, 'no end of the list of parts');
    if (!(page.Parts ?? []).every(({ LastModified }) => isBefore(LastModified, now - idleMs))) return false;
    const next = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    if (next === undefined || next === marker) return true;
    marker = next;
  }
}

/** How many were ended: none when it has gone meanwhile. */
async function end({ session, bucket }: AbandonedPlace, { key, id }: OldUpload, { signal }: AbandonedOptions): Promise<0 | 1> {
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id });
  const answer = await unlessGone(session.call({ operation: 'delete', key, signal }, (client, http) => client.send(command, http)));
  return answer === undefined ? 0 : 1;
}

/** An answer, and what time it is at the service: the SDK measures how far off the clock of this machine is. */
function dated<T>({ session, clock }: AbandonedPlace, call: Call, send: (client: S3Client, http: WireOptions) => Promise<T>) {
  return session.call(call, async (client, http) => {
    const page = await send(client, http);
    return { page, now: clock.now() + client.config.systemClockOffset };
  });
}

const isBefore = (date: Date | undefined, limit: number): boolean => date !== undefined && date.getTime() < limit;

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof LitestreamError && error.details?.provider === 'NoSuchUpload') return undefined;
    throw error;
  }
}
