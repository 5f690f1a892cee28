/** A process that finds credentials in its environment and prints the headers they give for Cloud Storage itself, or what failed. */

import { errorToData } from '../../../src/base/errors.ts';
import { Credentials } from '../../../src/storage/gs/credentials.ts';
import { tokenError } from '../../../src/storage/gs/errors.ts';

const credentials = new Credentials({ type: 'gs', bucket: 'box', path: '' });
try {
  const headers = await credentials.headers(`${credentials.endpoint}/storage/v1/b/box/o`, undefined);
  console.log(JSON.stringify({ endpoint: credentials.endpoint, headers }));
} catch (error) {
  console.log(JSON.stringify(errorToData(tokenError(error, { verb: 'list', key: '', bucket: 'box', endpoint: credentials.endpoint }))));
}
