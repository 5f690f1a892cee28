import { describe, expect, test } from 'vitest';
import { loadSettings, settingsFromText } from '../../src/config/load.ts';
import {
  DATABASE_KEYS,
  GENERAL_REPLICA_KEYS,
  LOGGING_KEYS,
  MCP_KEYS,
  REPLICA_KEYS,
  type SectionSpec,
  SOCKET_KEYS,
  TOP_KEYS,
} from '../../src/config/schema.ts';
import { STORE_KINDS } from '../../src/config/stores/kinds.ts';
import { storeRows, withTables } from './configuration-tables.ts';
import { fences, ROOT, readPage, section, tableRows } from './document.ts';

const page = readPage('configuration.md');

describe('docs/configuration.md', () => {
  test('has the tables that the schema gives (node test/docs/configuration-tables.ts --write)', () => {
    expect(page).toBe(withTables(page));
  });

  test('every key of the schema stands in the section it belongs to, with its default, or among those without effect', () => {
    const without = section(page, 2, 'Keys without effect');
    const sections: Readonly<Record<string, SectionSpec>> = {
      'A database (`dbs[]`)': DATABASE_KEYS,
      'Every replica': GENERAL_REPLICA_KEYS,
      '`mcp`': MCP_KEYS,
      '`socket`': SOCKET_KEYS,
      '`logging`': LOGGING_KEYS,
      'Top level': Object.fromEntries(Object.entries(TOP_KEYS).filter(([key]) => !(key in REPLICA_KEYS))),
    };
    for (const [title, spec] of Object.entries(sections)) {
      const rows = new Map(tableRows(section(page, 2, title)).map((row) => [row[0], row]));
      const active = Object.entries(spec).filter(([, { state }]) => state === undefined);
      expect([...rows.keys()].sort(), title).toEqual(active.map(([key]) => `\`${key}\``).sort());
      for (const [key, { default: standard }] of active) {
        expect(rows.get(`\`${key}\``)?.[2], `${title} ${key}`).toBe(standard === undefined ? '' : `\`${standard}\``);
      }
      for (const [key, { state }] of Object.entries(spec))
        if (state !== undefined) expect(without, `${title} ${key}`).toContain(`${key}\``);
    }
  });

  test('every key of every kind of store stands in its table', () => {
    for (const { type, keys } of STORE_KINDS) {
      const [, table = ''] = new RegExp(`<!-- table: ${type} -->([\\s\\S]*?)<!-- end -->`).exec(page) ?? [];
      expect(
        tableRows(table).map(([key]) => key),
        type,
      ).toEqual(storeRows(keys).map(([key]) => key));
    }
  });

  test('the defaults it tells are the ones in effect', () => {
    const { databases, lagBudgetMs, mcp, shutdown, logging, strict } = settingsFromText(
      'dbs: [{path: /a.db, replica: {path: /b}}]',
      '/x.yml',
      { expandEnv: false },
      {},
    );
    const [first] = databases;
    expect({ lagBudgetMs, shutdown, strict, level: logging.level, type: logging.type }).toEqual({
      lagBudgetMs: 60_000,
      shutdown: { timeoutMs: 30_000, intervalMs: 500 },
      strict: false,
      level: 'info',
      type: 'text',
    });
    expect(mcp).toMatchObject({ readOnly: true, tokenScopes: ['read'], sse: true, maxResultChars: 20_000, auditReads: true });
    expect(mcp.gate).toMatchObject({ confirm: 'auto', planTTLMs: 600_000, maxRestores: 2 });
    expect(first?.settings).toMatchObject({
      monitorIntervalMs: 1000,
      checkpointIntervalMs: 60_000,
      busyTimeoutMs: 1000,
      minCheckpointPages: 500,
      truncatePages: 121_359,
      maxSyncWALBytes: 67_108_864,
      pageForm: 'block',
    });
    expect(first?.replicas[0]).toMatchObject({ name: 'file', syncIntervalMs: 1000, maxSyncFiles: 256 });
  });

  test('its YAML examples load without a finding', () => {
    const examples = fences(page).filter(({ info }) => info === 'yaml');
    expect(examples.length).toBeGreaterThan(0);
    for (const { text } of examples) expect(settingsFromText(text, '/x.yml', { expandEnv: true }, {}).findings).toEqual([]);
  });

  test('the configuration that is shipped loads without a finding', async () => {
    expect((await loadSettings({ path: `${ROOT}litestream.yml`, expandEnv: true }, {})).findings).toEqual([]);
  });
});
