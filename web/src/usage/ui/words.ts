/** What a line is about, in a few words: the same in a row and in an announcement. */
import type { Line } from '../data/lines';
import { humanize } from '../text/format';

export const titleOf = (line: Line): string => (line.job ? humanize(line.job.operation) : line.reason.title);

/** The words after the kind: why it came back, what the note says, which campaign. */
export function contextOf(line: Line): string {
  if (line.__typename === 'Refund') return line.job ? line.reason.title : '';
  if (line.__typename === 'Adjustment') return line.note;
  if (line.__typename === 'Grant') return line.reason.detail ?? '';
  return line.campaign ?? (line.job ? '' : (line.reason.detail ?? ''));
}
