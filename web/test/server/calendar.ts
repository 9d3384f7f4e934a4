/** Days and months for the test ledger, computed another way than the page does. */

/** The calendar date of an instant in a zone, as YYYY-MM-DD. */
export function dayIn(timeZone: string, instant: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(new Date(instant));
}

/** The starts (UTC) of last month and of this one. */
export function startOfMonths(now: Date): Date[] {
  const at = (offset: number): Date =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1, 0, 0, 1));
  return [at(-1), at(0)];
}
