/** What the customer chose to see: period, zone and filters. */
import type { EntryKind, UsageFilter } from './generated';
import type { Line } from './lines';
import type { Period, Range } from '../text/period';

export const KINDS: readonly EntryKind[] = ['CHARGE', 'REFUND', 'GRANT', 'ADJUSTMENT'];
export const ZONE_CHOICES = ['account', 'local', 'utc'] as const;
export type ZoneChoice = (typeof ZONE_CHOICES)[number];

export interface View {
  readonly period: Period;
  readonly zone: ZoneChoice;
  readonly kinds: readonly EntryKind[];
  readonly campaign: string | null;
  readonly reasonCode: string | null;
  readonly search: string;
}

export const DEFAULT_VIEW: View = {
  period: { preset: 'this-month' },
  zone: 'account',
  kinds: [],
  campaign: null,
  reasonCode: null,
  search: '',
};

export const NO_FILTER = { kinds: [], campaign: null, reasonCode: null, search: '' } as const;

export const isFiltered = (view: View): boolean =>
  view.kinds.length > 0 || view.campaign !== null || view.reasonCode !== null || view.search !== '';

export function filterOf(view: View, range: Range): UsageFilter {
  return {
    from: range.from,
    to: range.to,
    ...(view.kinds.length > 0 && { kinds: view.kinds }),
    ...(view.campaign !== null && { campaign: view.campaign }),
    ...(view.reasonCode !== null && { reasonCode: view.reasonCode }),
    ...(view.search && { search: view.search }),
  };
}

/** Whether a line that just landed belongs in the view; what a search finds only the server knows. */
export function belongs(line: Line, view: View, range: Range): boolean {
  return (
    inRange(line, range) &&
    (view.kinds.length === 0 || view.kinds.includes(kindOf(line))) &&
    (view.campaign === null || line.campaign === view.campaign) &&
    (view.reasonCode === null || line.reason.code === view.reasonCode)
  );
}

export function inRange(line: Line, range: Range): boolean {
  const booked = Date.parse(line.recordedAt);
  return booked >= Date.parse(range.from) && booked < Date.parse(range.to);
}

export const kindOf = (line: Line): EntryKind => line.__typename.toUpperCase() as EntryKind;
