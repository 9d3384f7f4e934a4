/** What a line is about, in a few words: the same in a row, a tooltip and an announcement. */
import type { Line } from '../data/lines';
import { kindOf } from '../data/view';
import { humanize, type Format } from '../text/format';
import { strings } from '../text/strings';

export const titleOf = (line: Line): string => (line.job ? humanize(line.job.operation) : line.reason.title);

/** The words after the kind: why it came back, what the note says, which campaign. */
export function contextOf(line: Line): string {
  if (line.__typename === 'Refund') return line.job ? line.reason.title : '';
  if (line.__typename === 'Adjustment') return line.note;
  if (line.__typename === 'Grant') return line.reason.detail ?? '';
  return line.campaign ?? (line.job ? '' : (line.reason.detail ?? ''));
}

export function labelOf(line: Line, format: Format): string {
  const what = [titleOf(line), contextOf(line)].filter(Boolean).join(', ');
  return strings.feed.lineLabel(
    strings.kind[kindOf(line)],
    what,
    format.signed(line.amount),
    format.plain(line.balanceAfter),
  );
}
