/** The text of an exposition that comes in parts. */

import type { Metrics } from '../../src/service/metrics/metrics.ts';

export async function textOf(metrics: Metrics, ...databases: Parameters<Metrics['render']>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of await metrics.render(...databases)) text += decoder.decode(part, { stream: true });
  return text + decoder.decode();
}
