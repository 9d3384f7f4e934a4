/**
 * The period's statement: its totals first, and what takes a walk over its lines after the first paint.
 * Owns when they are read again. Computes nothing: every figure is the server's.
 */
import {
  UsageFeedDetailsDocument,
  UsageFeedStatementDocument,
  type TotalsFragment,
  type UsageFeedDetailsQuery,
} from './generated';
import type { Transport } from './transport';
import type { Range } from '../text/period';

export type Totals = TotalsFragment;
export type Day = Totals['byDay'][number];
export type Details = NonNullable<UsageFeedDetailsQuery['account']>['statement'];

const SETTLE_MS = 120;

export class Summary {
  totals: Totals | null = null;
  details: Details | null = null;
  error: Error | null = null;
  /** The range asked for now; the totals may still be those of the one before. */
  range: Range | null = null;
  loading = false;

  private readonly transport: Transport;
  private readonly account: string;
  private readonly changed: () => void;
  private zone = 'UTC';
  private abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(transport: Transport, account: string, changed: () => void) {
    this.transport = transport;
    this.account = account;
    this.changed = changed;
  }

  async load(range: Range, zone: string): Promise<void> {
    if (this.range?.from !== range.from || this.range.to !== range.to) this.details = null;
    this.range = range;
    this.zone = zone;
    await this.read();
  }

  /** Reads the statement again, once for all lines that land together. */
  refresh(): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.loading) this.refresh();
      else void this.read();
    }, SETTLE_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  private async read(): Promise<void> {
    if (!this.range) return;
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const { from, to } = this.range;
    this.loading = true;
    this.changed();
    try {
      const variables = { account: this.account, from, to, timeZone: this.zone };
      const { account } = await this.transport.query(UsageFeedStatementDocument, variables, signal);
      if (signal.aborted || !account) return;
      this.totals = account.statement;
      this.error = null;
      this.loading = false;
      this.changed();
      await afterPaint();
      await this.readDetails({ account: this.account, from, to }, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.error = error as Error;
      this.loading = false;
      this.changed();
    }
  }

  private async readDetails(
    variables: { account: string; from: string; to: string },
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    const { account } = await this.transport.query(UsageFeedDetailsDocument, variables, signal);
    if (signal.aborted || !account) return;
    this.details = account.statement;
    this.changed();
  }
}

const afterPaint = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
