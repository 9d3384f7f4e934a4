import { describe, expect, test } from 'vitest';
import { moneyIn } from '../src/usage/text/money';
import { rangeOf } from '../src/usage/text/period';
import { addDays, dateIn, datesBetween, startOfDate } from '../src/usage/text/zones';
import { queryFromView, viewFromQuery } from '../src/usage/address';
import { DEFAULT_VIEW } from '../src/usage/data/view';

describe('money', () => {
  test.each([
    [1234, 2, '+12.34'],
    [-1234, 2, '\u221212.34'],
    [5, 2, '+0.05'],
    [-90, 0, '\u221290'],
    [0, 0, '0'],
    [0, 2, '0.00'],
    [1_000_000, 0, '+1,000,000'],
    [123, 6, '+0.000123'],
  ])('%i at scale %i reads %s', (amount, scale, text) => {
    expect(moneyIn('en', scale).signed(amount)).toBe(text);
  });

  test('the largest amount keeps its last digit at every scale', () => {
    const digits = (scale: number): string =>
      moneyIn('en', scale).plain(Number.MAX_SAFE_INTEGER).replace(/\D/g, '');
    for (let scale = 0; scale <= 9; scale += 1) expect(digits(scale)).toBe('9007199254740991');
  });

  test('a locale brings its own separators', () => {
    expect(moneyIn('de', 2).plain(-123456)).toBe('\u22121.234,56');
  });
});

describe('zones', () => {
  test.each([
    ['UTC', '2026-11-01', '2026-11-01T00:00:00.000Z'],
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00.000Z'],
    ['Europe/Berlin', '2026-03-30', '2026-03-29T22:00:00.000Z'],
    ['Europe/Berlin', '2026-10-26', '2026-10-25T23:00:00.000Z'],
    ['America/New_York', '2026-11-02', '2026-11-02T05:00:00.000Z'],
    ['Asia/Kathmandu', '2026-11-02', '2026-11-01T18:15:00.000Z'],
    ['Pacific/Kiritimati', '2026-01-01', '2025-12-31T10:00:00.000Z'],
    // Clocks skip midnight there: the day begins at one.
    ['America/Santiago', '2026-09-06', '2026-09-06T04:00:00.000Z'],
    // Midnight comes twice there: the day begins with the first, as it does in the server's byDay.
    ['America/Havana', '2026-11-01', '2026-11-01T04:00:00.000Z'],
    ['Asia/Amman', '2016-10-28', '2016-10-27T21:00:00.000Z'],
    ['Antarctica/Casey', '2023-03-09', '2023-03-08T13:00:00.000Z'],
  ])('in %s the date %s begins at %s', (zone, date, instant) => {
    expect(new Date(startOfDate(date, zone)).toISOString()).toBe(instant);
  });

  test('every day of a year begins on itself and the moment before is the day before, in every zone', () => {
    for (const zone of [
      'Europe/Berlin',
      'America/Santiago',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
      'Africa/Casablanca',
    ]) {
      for (const date of datesBetween('2026-01-01', '2026-12-31')) {
        const start = startOfDate(date, zone);
        expect([zone, dateIn(start, zone), dateIn(start - 1, zone)]).toEqual([zone, date, addDays(date, -1)]);
      }
    }
  });
});

describe('period', () => {
  const now = Date.parse('2026-03-01T02:00:00Z');

  test.each([
    ['this-month', 'UTC', '2026-03-01', '2026-03-31'],
    ['this-month', 'America/New_York', '2026-02-01', '2026-02-28'],
    ['last-month', 'UTC', '2026-02-01', '2026-02-28'],
    ['7-days', 'UTC', '2026-02-23', '2026-03-01'],
    ['30-days', 'UTC', '2026-01-31', '2026-03-01'],
  ] as const)('%s in %s runs from %s to %s', (preset, zone, first, last) => {
    expect(rangeOf({ preset }, zone, now)).toMatchObject({ first, last });
  });

  test('a period ends where the next one begins', () => {
    const march = rangeOf(
      { preset: 'custom', first: '2026-03-01', last: '2026-03-31' },
      'Europe/Berlin',
      now,
    );
    const april = rangeOf(
      { preset: 'custom', first: '2026-04-01', last: '2026-04-30' },
      'Europe/Berlin',
      now,
    );
    expect(march.to).toBe(april.from);
    expect(march.to).toBe('2026-03-31T22:00:00.000Z');
  });
});

describe('address', () => {
  test('a view comes back from its own query', () => {
    const view = {
      period: { preset: 'custom', first: '2026-01-05', last: '2026-02-06' },
      zone: 'utc',
      kinds: ['REFUND', 'GRANT'],
      campaign: 'Spring & more',
      reasonCode: 'PLATFORM_ERROR',
      search: 'job-1?',
    } as const;
    expect(viewFromQuery(new URLSearchParams(queryFromView(view).toString()))).toEqual(view);
  });

  test('the default view needs no query, and nonsense is the default view', () => {
    expect(queryFromView(DEFAULT_VIEW).toString()).toBe('');
    expect(viewFromQuery(new URLSearchParams('period=never&zone=mars&kind=NONE&from=x&to=y'))).toEqual(
      DEFAULT_VIEW,
    );
  });
});
