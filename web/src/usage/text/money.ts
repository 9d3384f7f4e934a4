/**
 * Credits as people read them. An amount is an integer of the account's smallest unit and stays one:
 * the decimal point is put in by text, never by division.
 */

const MINUS = '\u2212';

export interface Money {
  /** The amount with its sign only when negative. */
  plain(amount: number): string;
  /** The amount with its sign, + or a true minus; zero has none. */
  signed(amount: number): string;
}

/** The exact decimal text of an amount's magnitude: 1234 at scale 2 is "12.34". */
export function decimalText(amount: number, scale: number): `${number}` {
  const digits = String(Math.abs(amount)).padStart(scale + 1, '0');
  const cut = digits.length - scale;
  return (scale === 0 ? digits : `${digits.slice(0, cut)}.${digits.slice(cut)}`) as `${number}`;
}

export function moneyIn(locale: string | undefined, scale: number): Money {
  const format = new Intl.NumberFormat(locale, {
    minimumFractionDigits: scale,
    maximumFractionDigits: scale,
  });
  const magnitude = (amount: number): string => format.format(decimalText(amount, scale));
  return {
    plain: (amount) => (amount < 0 ? MINUS : '') + magnitude(amount),
    signed: (amount) => (amount < 0 ? MINUS : amount > 0 ? '+' : '') + magnitude(amount),
  };
}
