/** Line icons, 16 by 16, in the text's colour. */
import type { JSX } from 'preact';

const PATHS = {
  CHARGE: 'M8 3v10M4 9l4 4 4-4',
  REFUND: 'M6 4 2.5 7.5 6 11M3 7.5h6.5a4 4 0 0 1 0 8',
  GRANT: 'M8 3v10M3 8h10',
  ADJUSTMENT: 'M3 5h10M3 11h10M6 3v4M10 9v4',
  chevron: 'm4 6 4 4 4-4',
  check: 'm3 8.5 3.5 3.5L13 5',
  warn: 'M8 2.5 14.5 13.5h-13ZM8 7v3M8 11.9v.1',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM11 11l3 3',
  close: 'm4 4 8 8M12 4l-8 8',
  download: 'M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10',
  link: 'M6.5 9.5a3 3 0 0 0 4.2 0l2-2a3 3 0 0 0-4.2-4.2l-.7.7M9.5 6.5a3 3 0 0 0-4.2 0l-2 2a3 3 0 0 0 4.2 4.2l.7-.7',
  copy: 'M5.5 5.5h7v8h-7ZM10.5 5.5v-3h-7v8h2',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6',
  lock: 'M4 7.5h8v6H4ZM5.8 7.5V5a2.2 2.2 0 0 1 4.4 0v2.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
