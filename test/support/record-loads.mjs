/** For `node --import`: writes the URL of every module that is loaded, in any thread, to the file LOADS. */

import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(process.env.LOADS, `${url}\n`);
    return nextLoad(url, context);
  },
});
