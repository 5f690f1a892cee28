import { describe, expect, test } from 'vitest';
import { DateTemplate } from '../../src/base/date-template.ts';

const at = (text: string, iso: string, zone = 'UTC') => new DateTemplate(text, zone).at(Date.parse(iso));

describe('dates in destinations', () => {
  test.each([
    ['./backups/$(date +%Y-%m-%d)/app.db', './backups/2026-03-01/app.db'],
    ['./backups/daily/$(date +%F).db', './backups/daily/2026-03-01.db'],
    ['/b/$(date "+%Y")/$(date -u +%m)/x', '/b/2026/03/x'],
    ["$(date '+%Y%j %H-%M')", '2026060 23-59'],
    ['/b/$(date +%G-W%V)', '/b/2026-W09'],
    ['/b/$(date +%y%%)', '/b/26%'],
  ])('%s', (text, expected) => {
    expect(at(text, '2026-03-01T23:59:59Z')).toBe(expected);
  });

  test('the zone decides which day it is', () => {
    expect(at('$(date +%F %H)', '2026-03-01T23:30:00Z', 'Europe/Berlin')).toBe('2026-03-02 00');
    expect(at('$(date +%F %H)', '2026-03-01T03:30:00Z', 'America/New_York')).toBe('2026-02-28 22');
  });

  test.each([
    ['2021-01-03T00:00:00Z', '2020-53'],
    ['2021-01-04T00:00:00Z', '2021-01'],
    ['2024-12-30T00:00:00Z', '2025-01'],
    ['2026-12-31T00:00:00Z', '2026-53'],
  ])('the ISO week of %s is %s', (iso, week) => {
    expect(at('$(date +%G-%V)', iso)).toBe(week);
  });

  test('texts made from it are put into the order of their dates, others are not taken for such', () => {
    for (const format of ['%Y-%m-%d', '%d.%m.%Y', '%Y/%j', '%G-%V', '%Y%m%d%H']) {
      const template = new DateTemplate(`/b/$(date +${format})/app`, 'UTC');
      const days = Array.from({ length: 800 }, (_, day) => template.at(Date.UTC(2025, 0, 1) + day * 86_400_000));
      const orders = days.map((text) => template.orderOf(text) ?? Number.NaN);
      expect(orders.every((order, index) => index === 0 || order >= (orders[index - 1] ?? 0))).toBe(true);
      expect(orders.every((order, index) => days[index] === days[index - 1] || order !== orders[index - 1])).toBe(true);
      expect(template.orderOf('/b/latest/app')).toBeUndefined();
      expect(template.orderOf(`${days[0]}2`)).toBeUndefined();
      expect(template.root).toBe('/b/');
    }
  });

  test('what cannot be told apart or is not known is refused', () => {
    expect(() => new DateTemplate('/b/$(date +%m-%d)', 'UTC')).toThrow(/needs the year/);
    expect(() => new DateTemplate('/b/$(date +%Y-%A)', 'UTC')).toThrow(/"%A" .* is not known; there are %Y/);
    expect(() => new DateTemplate('/b/$(date +%Y)', 'Mars/Base')).toThrow(/not a time zone/);
    expect(DateTemplate.isIn('/b/$(whoami)')).toBe(false);
    expect(DateTemplate.isIn('/b/$(date +%F)')).toBe(true);
  });
});
