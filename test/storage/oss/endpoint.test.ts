import { describe, expect, test } from 'vitest';
import { endpointOf } from '../../../src/storage/oss/endpoint.ts';
import type { OSSStoreSpec } from '../../../src/storage/spec.ts';

const of = (spec: Partial<OSSStoreSpec>) => endpointOf({ type: 'oss', bucket: 'backups', path: '', ...spec });

describe('the endpoint of a bucket', () => {
  test.each<[Partial<OSSStoreSpec>, { authority: string; region: string; secure: boolean; pathPrefix: string }]>([
    [{}, { authority: 'backups.oss-cn-hangzhou.aliyuncs.com', region: 'cn-hangzhou', secure: true, pathPrefix: '/' }],
    [
      { region: 'eu-central-1' },
      { authority: 'backups.oss-eu-central-1.aliyuncs.com', region: 'eu-central-1', secure: true, pathPrefix: '/' },
    ],
    [
      { region: 'cn-beijing-internal' },
      { authority: 'backups.oss-cn-beijing-internal.aliyuncs.com', region: 'cn-beijing', secure: true, pathPrefix: '/' },
    ],
    [
      { endpoint: 'https://oss-cn-beijing-internal.aliyuncs.com' },
      { authority: 'backups.oss-cn-beijing-internal.aliyuncs.com', region: 'cn-beijing', secure: true, pathPrefix: '/' },
    ],
    [
      { endpoint: 'http://oss-cn-shenzhen.aliyuncs.com:8080' },
      { authority: 'backups.oss-cn-shenzhen.aliyuncs.com:8080', region: 'cn-shenzhen', secure: false, pathPrefix: '/' },
    ],
    [
      { endpoint: 'backups.oss-cn-shenzhen.aliyuncs.com' },
      { authority: 'backups.oss-cn-shenzhen.aliyuncs.com', region: 'cn-shenzhen', secure: true, pathPrefix: '/' },
    ],
    [
      { endpoint: 'https://storage.example.com', region: 'cn-beijing' },
      { authority: 'backups.storage.example.com', region: 'cn-beijing', secure: true, pathPrefix: '/' },
    ],
    [{ endpoint: 'http://127.0.0.1:9000' }, { authority: '127.0.0.1:9000', region: 'cn-hangzhou', secure: false, pathPrefix: '/backups/' }],
    [{ endpoint: 'http://[::1]:9000' }, { authority: '[::1]:9000', region: 'cn-hangzhou', secure: false, pathPrefix: '/backups/' }],
    [{ endpoint: 'http://localhost:9000' }, { authority: 'localhost:9000', region: 'cn-hangzhou', secure: false, pathPrefix: '/backups/' }],
  ])('for %j', (spec, expected) => {
    expect(of(spec)).toMatchObject(expected);
  });

  test.each(['ftp://oss.example.com', 'https://oss.example.com/base', 'http://', 'https://oss.example.com?x=1'])(
    'is not %s',
    (endpoint) => {
      expect(() => of({ endpoint })).toThrow(/not an endpoint of OSS/);
    },
  );

  test.each(['', 'ab', 'Backups', '-backups', 'back_ups', 'a.b'])('is not that of a bucket named "%s"', (bucket) => {
    expect(() => of({ bucket })).toThrow(/cannot be the name/);
  });
});
