import { describe, expect, test } from 'vitest';
import { settingsFromText } from '../../src/config/load.ts';
import { conditionsOf } from '../../src/config/stores/conditions.ts';
import { fences, readPage, section, tableRows } from './document.ts';

const page = readPage('destinations.md');

describe('docs/destinations.md', () => {
  test('its YAML examples load without an error or a doubt, one for each kind of store', () => {
    const types = fences(page)
      .filter(({ info }) => info === 'yaml')
      .map(({ text }) => {
        const { findings, databases } = settingsFromText(text, '/x.yml', { expandEnv: true }, { HOME: '/nowhere' });
        expect(findings).toEqual([]);
        return databases[0]?.replicas[0]?.store.type;
      });
    expect(types.slice(0, 8)).toEqual(['file', 's3', 'gs', 'abs', 'sftp', 'webdav', 'nats', 'oss']);
  });

  test('what it says about create-only writes and leases is what the configuration says', () => {
    const rows = new Map(tableRows(section(page, 2, 'What is guaranteed where')).map((cells) => [cells[0], cells]));
    const specs = {
      file: { type: 'file', path: '/x' },
      S3: { type: 's3', bucket: 'b', path: '' },
      'Google Cloud Storage': { type: 'gs', bucket: 'b', path: '' },
      'Azure Blob Storage': { type: 'abs', bucket: 'b', path: '' },
      SFTP: { type: 'sftp', host: 'h', user: 'u', path: '/x' },
      WebDAV: { type: 'webdav', endpoint: 'https://h', path: '' },
      NATS: { type: 'nats', servers: [], bucket: 'b', path: '' },
      'Alibaba OSS': { type: 'oss', bucket: 'b', path: '' },
    } as const;
    expect([...rows.keys()]).toEqual(Object.keys(specs));
    for (const [title, spec] of Object.entries(specs)) {
      const { createOnly, replace } = conditionsOf(spec);
      expect({ title, createOnly: !rows.get(title)?.[1]?.startsWith('no') }).toEqual({ title, createOnly });
      expect({ title, replace: rows.get(title)?.[2] !== 'no' }).toEqual({ title, replace });
    }
  });
});
