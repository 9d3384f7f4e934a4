/** The billing periods a customer chooses from, as whole days of a zone. */
import { addDays, dateIn, startOfDate } from './zones';

export const PRESETS = ['this-month', 'last-month', '7-days', '30-days'] as const;
export type Preset = (typeof PRESETS)[number];

/** A preset follows the calendar; a custom period names its first and last day, both included. */
export type Period = { preset: Preset } | { preset: 'custom'; first: string; last: string };

/** Half-open [from, to) in RFC 3339, and the days it covers, both included. */
export interface Range {
  readonly from: string;
  readonly to: string;
  readonly first: string;
  readonly last: string;
}

export function monthOf(date: string): { first: string; last: string } {
  const first = `${date.slice(0, 7)}-01`;
  const next = `${addDays(first, 31).slice(0, 7)}-01`;
  return { first, last: addDays(next, -1) };
}

function daysOf(period: Period, today: string): { first: string; last: string } {
  switch (period.preset) {
    case 'custom':
      return period;
    case 'this-month':
      return monthOf(today);
    case 'last-month':
      return monthOf(addDays(monthOf(today).first, -1));
    case '7-days':
      return { first: addDays(today, -6), last: today };
    case '30-days':
      return { first: addDays(today, -29), last: today };
  }
}

export function rangeOf(period: Period, zone: string, now_ms: number): Range {
  const { first, last } = daysOf(period, dateIn(now_ms, zone));
  return {
    first,
    last,
    from: new Date(startOfDate(first, zone)).toISOString(),
    to: new Date(startOfDate(addDays(last, 1), zone)).toISOString(),
  };
}
