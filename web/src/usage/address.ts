/**
 * How a view stands in the page's address. Owns the names of the query parameters; a value that makes
 * no sense is the default. Does not touch the address.
 */
import { DEFAULT_VIEW, KINDS, ZONE_CHOICES, type View, type ZoneChoice } from './data/view';
import { PRESETS, type Period, type Preset } from './text/period';

const DATE = /^\d{4}-\d{2}-\d{2}$/;

function periodFrom(query: URLSearchParams): Period {
  const first = query.get('from') ?? '';
  const last = query.get('to') ?? '';
  if (DATE.test(first) && DATE.test(last) && first <= last) return { preset: 'custom', first, last };
  const preset = query.get('period') as Preset;
  return PRESETS.includes(preset) ? { preset } : DEFAULT_VIEW.period;
}

export function viewFromQuery(query: URLSearchParams): View {
  const zone = query.get('zone') as ZoneChoice;
  return {
    period: periodFrom(query),
    zone: ZONE_CHOICES.includes(zone) ? zone : 'account',
    kinds: KINDS.filter((kind) => query.getAll('kind').includes(kind)),
    campaign: query.get('campaign'),
    reasonCode: query.get('reason'),
    search: query.get('q') ?? '',
  };
}

/** The inverse of `viewFromQuery`: defaults are left out. */
export function queryFromView(view: View): URLSearchParams {
  const query = new URLSearchParams();
  if (view.period.preset === 'custom') {
    query.set('from', view.period.first);
    query.set('to', view.period.last);
  } else if (view.period.preset !== 'this-month') {
    query.set('period', view.period.preset);
  }
  if (view.zone !== 'account') query.set('zone', view.zone);
  for (const kind of view.kinds) query.append('kind', kind);
  if (view.campaign !== null) query.set('campaign', view.campaign);
  if (view.reasonCode !== null) query.set('reason', view.reasonCode);
  if (view.search) query.set('q', view.search);
  return query;
}
