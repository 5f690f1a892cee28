import { describe, expect, test } from 'vitest';
import { buildMetricsServer } from '../../src/http/metrics-server.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import { textOf } from '../support/exposition.ts';
import { fences, readPage, section, tableRows } from './document.ts';

const page = readPage('metrics.md');
const documented = tableRows(section(page, 2, 'Metrics'));

async function registered() {
  const text = await textOf(new Metrics('1'), []);
  return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
}

describe('docs/metrics.md', () => {
  test('lists every metric with its type, and no other', async () => {
    const told = documented.map(([name = '', type]) => ({ name: name.slice(1, -1), type }));
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(told.sort(byName)).toEqual((await registered()).sort(byName));
  });

  test('tells the labels that samples have', async () => {
    const metrics = new Metrics('1');
    metrics.engineEvent('/a', { type: 'pass', durationMs: 1, dbSize: 1, walOffset: 1, diskFull: false });
    metrics.engineEvent('/a', { type: 'checkpoint', mode: 'PASSIVE', durationMs: 1, writeLockMs: 1, complete: true });
    metrics.storeOperation(
      { replicaType: 'file', operation: 'PUT', bytes: 1, requests: 1, durationMs: 1, code: 'STORAGE_THROTTLED' },
      { db: '/db', replica: 'file' },
    );
    metrics.storeRetried('file', 'put');
    metrics.storeStreams('file', 1);
    metrics.uploadFailed('/a', 'file', 'INTERNAL');
    metrics.mcpCall('litestream_info', 'ok', 1);
    metrics.mcpRefused('token');
    metrics.mcpConnections('http', 1);
    const text = await textOf(metrics, []);
    for (const [name = '', , labels] of documented) {
      const sample = new RegExp(`^${name.slice(1, -1)}(?:_count)?\\{([^}]*)\\}`, 'm').exec(text);
      if (sample === null) continue;
      const found = [...(sample[1] ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label);
      expect(labels, name).toBe(found.join(', '));
    }
  });

  test('its alert rules use metrics that exist', async () => {
    const names = new Set((await registered()).map(({ name }) => name));
    const rules = fences(page).find(({ info }) => info === 'yaml')?.text ?? '';
    const used = [...rules.matchAll(/\blitestream_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
    expect(used.length).toBeGreaterThan(3);
    expect(used.filter((name) => !names.has(name))).toEqual([]);
  });

  test('lists the paths that are served, and each answers', async () => {
    const server = buildMetricsServer({
      contentType: 'text/plain',
      render: async () => [],
      health: async () => ({ status: 'ok', databases: [] }),
      ready: async () => true,
    });
    const paths = tableRows(page.slice(0, page.indexOf('## '))).map(([path = '']) => path.slice(1, -1));
    const { paths: served } = (await server.inject('/nothing')).json<{ paths: string[] }>();
    expect(paths).toEqual(served);
    for (const path of paths) expect((await server.inject(path)).statusCode, path).toBe(200);
  });
});
