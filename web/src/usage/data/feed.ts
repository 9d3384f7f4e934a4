/**
 * The lines on the page: a contiguous run of the view's lines, newest first, and those that landed
 * while the reader was further down. Owns paging and merging. Does not own what the view is, nor how
 * lines arrive.
 */
import { UsageFeedPageDocument, type UsageFilter } from './generated';
import { findSeq, merge, settle, type Edge, type Line, type Refund } from './lines';
import type { Transport } from './transport';

/** The first page is small, to be there soon; whoever reads on reads much. */
const PAGE_SIZE = 50;
const MORE_SIZE = 100;
/** Lines shown above one that an address points to. */
const CONTEXT_SIZE = 10;

type Page = { edges: readonly Edge[]; hasOlder: boolean; hasNewer: boolean; balance: number };
type Bounds = { first?: number; after?: string; last?: number; before?: string };

export class Feed {
  edges: readonly Edge[] = [];
  /** Landed, but not shown yet: the reader is not at the top. */
  pending: readonly Edge[] = [];
  /** Sequence numbers that landed while the page was open, for their highlight. */
  readonly fresh = new Set<number>();
  hasOlder = false;
  hasNewer = false;
  loading: 'first' | 'older' | 'newer' | null = null;
  error: Error | null = null;
  atTop = true;

  private readonly transport: Transport;
  private readonly account: string;
  private readonly changed: () => void;
  private filter: UsageFilter = {};
  private abort = new AbortController();
  /** What landed since the list's last reading began: the reading may or may not hold it. */
  private meanwhile: readonly Edge[] = [];

  constructor(transport: Transport, account: string, changed: () => void) {
    this.transport = transport;
    this.account = account;
    this.changed = changed;
  }

  get newest(): Edge | undefined {
    return this.pending[0] ?? this.edges[0];
  }

  /** Replaces the list by the newest lines of a filter. Returns the account's balance as then read. */
  async load(filter: UsageFilter): Promise<number | null> {
    this.filter = filter;
    return this.replace((signal) => this.page({ first: PAGE_SIZE }, filter, signal));
  }

  reload(): Promise<number | null> {
    return this.load(this.filter);
  }

  /** Replaces the list by the lines around one line of the filter. */
  async loadAround(line: Line, filter: UsageFilter): Promise<void> {
    this.filter = filter;
    await this.replace(async (signal) => {
      const to = new Date(Date.parse(line.recordedAt) + 1).toISOString();
      let page = await this.page({ first: PAGE_SIZE }, { ...filter, to }, signal);
      while (page.hasOlder && !findSeq(page.edges, line.seq)) {
        page = joined(page, await this.page({ first: MORE_SIZE, after: endOf(page) }, filter, signal));
      }
      const before = page.edges[0]?.cursor;
      if (before === undefined) return page;
      return joined(await this.page({ last: CONTEXT_SIZE, before }, filter, signal), page);
    });
  }

  async loadOlder(): Promise<void> {
    const after = this.edges.at(-1)?.cursor;
    if (this.loading !== null || !this.hasOlder || after === undefined) return;
    await this.extend('older', { first: MORE_SIZE, after });
  }

  async loadNewer(): Promise<void> {
    const before = this.edges[0]?.cursor;
    if (this.loading !== null || !this.hasNewer || before === undefined) return;
    await this.extend('newer', { last: PAGE_SIZE, before });
  }

  /** Reads every line of the view that is newer than those known, page by page. Returns the balance then. */
  async catchUp(): Promise<number | null> {
    const { signal } = this.abort;
    let before = this.newest?.cursor;
    if (before === undefined) return this.reload();
    for (;;) {
      const page: Page = await this.page({ last: MORE_SIZE, before }, this.filter, signal);
      this.land(page.edges);
      if (!page.hasNewer || page.edges.length === 0) return page.balance;
      before = page.edges[0]?.cursor ?? before;
    }
  }

  /** Takes in lines of the view that landed. */
  land(landed: readonly Edge[]): void {
    if (landed.length === 0) return;
    if (this.loading === 'first') this.meanwhile = merge(this.meanwhile, landed);
    const unknown = landed.filter(
      ({ node }) => !findSeq(this.edges, node.seq) && !findSeq(this.pending, node.seq),
    );
    for (const { node } of unknown) this.fresh.add(node.seq);
    const known = landed.filter((edge) => !unknown.includes(edge));
    this.edges = merge(
      this.edges,
      known.filter(({ node }) => findSeq(this.edges, node.seq)),
    );
    if (this.atTop && !this.hasNewer) this.edges = merge(this.edges, unknown);
    else this.pending = merge(this.pending, unknown);
    this.changed();
  }

  /** Lets charges on the page show what refunds gave back, whether the refunds are in the view or not. */
  settle(refunds: readonly Refund[]): void {
    this.edges = settle(this.edges, refunds);
    this.pending = settle(this.pending, refunds);
    this.meanwhile = settle(this.meanwhile, refunds);
    this.changed();
  }

  /** The reader came to the top, or left it. */
  setAtTop(atTop: boolean): void {
    if (this.atTop === atTop) return;
    this.atTop = atTop;
    if (atTop) this.showPending();
  }

  /** Shows what landed while the reader was away. */
  showPending(): void {
    if (this.hasNewer || this.pending.length === 0) return;
    this.edges = merge(this.edges, this.pending);
    this.pending = [];
    this.changed();
  }

  stop(): void {
    this.abort.abort();
  }

  private async replace(read: (signal: AbortSignal) => Promise<Page>): Promise<number | null> {
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.begin('first');
    this.meanwhile = [];
    try {
      const page = await read(signal);
      if (signal.aborted) return null;
      this.edges = page.hasNewer ? page.edges : merge(page.edges, this.meanwhile);
      this.pending = page.hasNewer ? this.meanwhile : [];
      this.hasOlder = page.hasOlder;
      this.hasNewer = page.hasNewer;
      this.end(null);
      return page.balance;
    } catch (error) {
      if (!signal.aborted) this.end(error as Error);
      return null;
    }
  }

  private async extend(direction: 'older' | 'newer', bounds: Bounds): Promise<void> {
    const { signal } = this.abort;
    this.begin(direction);
    try {
      const page = await this.page(bounds, this.filter, signal);
      if (signal.aborted) return;
      this.edges = merge(this.edges, page.edges);
      if (direction === 'older') this.hasOlder = page.hasOlder;
      else this.hasNewer = page.hasNewer;
      if (!this.hasNewer && direction === 'newer') {
        this.edges = merge(this.edges, this.pending);
        this.pending = [];
      }
      this.end(null);
    } catch (error) {
      if (!signal.aborted) this.end(error as Error);
    }
  }

  private begin(what: 'first' | 'older' | 'newer'): void {
    this.loading = what;
    this.error = null;
    this.changed();
  }

  private end(error: Error | null): void {
    this.loading = null;
    this.error = error;
    this.changed();
  }

  private async page(bounds: Bounds, filter: UsageFilter, signal: AbortSignal): Promise<Page> {
    const variables = { account: this.account, filter, ...bounds };
    const { account } = await this.transport.query(UsageFeedPageDocument, variables, signal);
    if (!account) throw new Error('The account is gone.');
    const { edges, pageInfo } = account.usage;
    const { hasNextPage: hasOlder, hasPreviousPage: hasNewer } = pageInfo;
    return { edges, hasOlder, hasNewer, balance: account.balance };
  }
}

const endOf = (page: Page): string => page.edges.at(-1)?.cursor ?? '';

const joined = (newer: Page, older: Page): Page => ({
  edges: merge(newer.edges, older.edges),
  hasOlder: older.hasOlder,
  hasNewer: newer.hasNewer,
  balance: older.balance,
});
