/** Calendar dates in a time zone. A date is YYYY-MM-DD; an instant is epoch milliseconds. */

const DAY_MS = 86_400_000;
/** By no more than this at a time. */
const CLOCKS_GO_BACK_MS = 3 * 3_600_000;
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    clocks.set(zone, clock);
  }
  return clock;
}

/** What a clock on the wall shows at an instant, as if it were UTC. */
function wallTime(instant_ms: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of clockOf(zone).formatToParts(instant_ms)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const utcDate = (instant_ms: number): string => new Date(instant_ms).toISOString().slice(0, 10);

export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function isZone(name: string): boolean {
  try {
    return clockOf(name) !== undefined;
  } catch {
    return false;
  }
}

export function dateIn(instant_ms: number, zone: string): string {
  return utcDate(wallTime(instant_ms, zone));
}

/**
 * The instant a date begins in a zone: midnight, the first where it comes twice; where clocks skip it,
 * the first instant after it.
 */
export function startOfDate(date: string, zone: string): number {
  const wanted = Date.parse(`${date}T00:00:00Z`);
  const nearer = (instant: number): number => instant + (wanted - wallTime(instant, zone));
  const instant = nearer(nearer(nearer(wanted)));
  if (dateIn(instant, zone) < date) return nearer(instant);
  const first = nearer(instant - CLOCKS_GO_BACK_MS);
  return wallTime(first, zone) === wanted ? Math.min(first, instant) : instant;
}

export function addDays(date: string, days: number): string {
  return utcDate(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS);
}

/** Every date from first to last, both included. */
export function datesBetween(first: string, last: string): string[] {
  const count = Math.round((Date.parse(last) - Date.parse(first)) / DAY_MS) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => addDays(first, index));
}
