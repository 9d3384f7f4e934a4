/**
 * Where each line stands in a list that is too long to draw: rows of one height, a heading above each
 * day, and a few opened rows that are taller. Pure geometry, in pixels from the list's top.
 */
import type { Edge } from '../data/lines';
import { dateIn, startOfDate } from '../text/zones';

export interface Sizes {
  readonly row: number;
  readonly heading: number;
}

export interface Day {
  readonly date: string;
  /** Index of the day's first line. */
  readonly start: number;
}

/** The days of a list. Lines are in booking order, so each day's end is found by halving. */
export function daysOf(edges: readonly Edge[], zone: string): Day[] {
  const bookedAt = (index: number): number => Date.parse(edges[index]?.node.recordedAt ?? '');
  const days: Day[] = [];
  for (let start = 0; start < edges.length;) {
    const date = dateIn(bookedAt(start), zone);
    days.push({ date, start });
    const midnight = startOfDate(date, zone);
    let low = start + 1;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bookedAt(middle) >= midnight) low = middle + 1;
      else high = middle;
    }
    start = low;
  }
  return days;
}

export class Layout {
  readonly count: number;
  readonly days: readonly Day[];
  readonly sizes: Sizes;
  /** Index and added height of the opened rows, by index. */
  private readonly opened: readonly (readonly [number, number])[];

  constructor(
    count: number,
    days: readonly Day[],
    sizes: Sizes,
    opened: readonly (readonly [number, number])[],
  ) {
    this.count = count;
    this.days = days;
    this.sizes = sizes;
    this.opened = opened;
  }

  /** Days that have begun at an index or above it. */
  private daysUntil(index: number): number {
    let low = 0;
    let high = this.days.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.days[middle]?.start ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  top(index: number): number {
    let top = index * this.sizes.row + this.daysUntil(index) * this.sizes.heading;
    for (const [at, height] of this.opened) if (at < index) top += height;
    return top;
  }

  get height(): number {
    if (this.count === 0) return 0;
    const last = this.opened.find(([at]) => at === this.count - 1)?.[1] ?? 0;
    return this.top(this.count - 1) + this.sizes.row + last;
  }

  /** The line drawn at a height. */
  indexAt(y: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.top(middle) <= y) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}
