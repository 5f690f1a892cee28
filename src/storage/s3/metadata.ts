/** The creation time as metadata of an object. */

export { parseTimestamp } from '../../base/timestamp.ts';

/** Header `x-amz-meta-litestream-timestamp`, as the original writes it. */
export const TIMESTAMP_KEY = 'litestream-timestamp';
