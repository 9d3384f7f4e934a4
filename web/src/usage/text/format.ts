/** How one customer reads amounts and times: by locale, zone and the account's scale. */
import type { HeadFragment } from '../data/generated';
import { moneyIn, type Money } from './money';
import { strings } from './strings';
import { addDays, dateIn } from './zones';

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number, number][] = [
  ['second', 1_000, 60],
  ['minute', 60_000, 60],
  ['hour', 3_600_000, 24],
  ['day', 86_400_000, 30],
];

export interface Format extends Money {
  readonly zone: string;
  readonly locale: string | undefined;
  /** The amount with its unit. */
  withUnit(amount: number): string;
  time(instant_ms: number): string;
  /** Date, time to the second, and the zone's name. */
  exact(instant_ms: number): string;
  short(instant_ms: number): string;
  relative(instant_ms: number, now_ms: number): string;
  /** A heading for a date: Today, Yesterday or the date. */
  day(date: string, now_ms: number): string;
  dayShort(date: string): string;
  range(first: string, last: string): string;
  compact(amount: number): string;
}

export function formatFor(locale: string | undefined, zone: string, account: HeadFragment): Format {
  const money = moneyIn(locale, account.scale);
  const inZone = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
  const ofDate = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(locale, { timeZone: 'UTC', ...options });
  const time = inZone({ timeStyle: 'short' });
  const exact = inZone({
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
  const short = inZone({
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    second: '2-digit',
  });
  const heading = ofDate({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const dayShort = ofDate({ day: 'numeric', month: 'short' });
  const span = ofDate({ day: 'numeric', month: 'short', year: 'numeric' });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'long' });
  const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
  const scale = 10 ** account.scale;
  return {
    ...money,
    zone,
    locale,
    withUnit: (amount) => `${money.plain(amount)} ${account.unit}`,
    time: (instant) => time.format(instant),
    exact: (instant) => exact.format(instant),
    short: (instant) => short.format(instant),
    relative: (instant, now) => {
      const age = Math.max(0, now - instant);
      for (const [unit, size, limit] of STEPS) {
        if (age < size * limit) return relative.format(-Math.floor(age / size), unit);
      }
      return short.format(instant);
    },
    day: (date, now) => {
      const today = dateIn(now, zone);
      if (date === today) return strings.feed.today;
      if (date === addDays(today, -1)) return strings.feed.yesterday;
      return heading.format(Date.parse(date));
    },
    dayShort: (date) => dayShort.format(Date.parse(date)),
    range: (first, last) => span.formatRange(Date.parse(first), Date.parse(last)),
    compact: (amount) => compact.format(amount / scale),
  };
}

/** "text_to_image" as a customer reads it: "Text to image". */
export function humanize(name: string): string {
  const words = name.replace(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
