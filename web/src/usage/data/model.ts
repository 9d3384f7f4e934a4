/**
 * The page's state and what a customer can do with it. Owns the order of things: who the account is,
 * then its feed, its statement and its live lines. Draws nothing.
 */
import { Feed } from './feed';
import { UsageFeedAccountDocument, UsageFeedLineDocument, type HeadFragment } from './generated';
import { findSeq, type Edge, type Line, type Refund } from './lines';
import { Follower, type Connection, type Subscription } from './live';
import { Summary } from './summary';
import { SignedOut, type Transport } from './transport';
import { belongs, filterOf, inRange, isFiltered, NO_FILTER, type View } from './view';
import { monthOf, rangeOf, type Range } from '../text/period';
import { dateIn, isZone, localZone } from '../text/zones';

export type Phase = 'loading' | 'ready' | 'failed' | 'signed-out' | 'missing';

/** Lines that land within a frame are taken in together. */
const FRAME_MS = 16;
const SEARCH_AGAIN_MS = 400;
const AGAIN_MS = 2_000;

export interface ModelOptions {
  readonly transport: Transport;
  /** Global id; null: the token's own account. */
  readonly account: string | null;
  readonly subscription: Subscription;
  readonly view: View;
  readonly onView?: (view: View) => void;
  /** Where there is no global one. */
  readonly webSocket?: typeof WebSocket;
}

export class UsageModel {
  phase: Phase = 'loading';
  account: HeadFragment | null = null;
  balance = 0;
  view: View;
  range: Range;
  feed: Feed | null = null;
  summary: Summary | null = null;
  connection: Connection = 'connecting';
  /** When the connection was last live, epoch milliseconds. */
  liveUntil: number | null = null;
  /** The line an address points to: to be opened and focused. */
  target: { readonly seq: number } | null = null;
  /** An address pointed to a line that is not there. */
  targetMissing = false;
  /** The last lines that landed together, for whoever announces them. */
  landed: readonly Edge[] = [];

  readonly options: ModelOptions;
  private follower: Follower | null = null;
  private readonly listeners = new Set<() => void>();
  private notifying = false;
  private queue: Edge[] = [];
  private headSeq = 0;
  private againTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ModelOptions) {
    this.options = options;
    this.view = options.view;
    this.range = rangeOf(this.view.period, 'UTC', Date.now());
  }

  get zone(): string {
    if (this.view.zone === 'local') return localZone();
    const own = this.account?.timeZone ?? 'UTC';
    return this.view.zone === 'utc' || !isZone(own) ? 'UTC' : own;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Reads everything anew; also how a failed start is tried again. */
  async start(entry: string | null = null): Promise<void> {
    this.stop();
    this.phase = 'loading';
    this.changed();
    try {
      const { transport, account } = this.options;
      const found = await transport.query(UsageFeedAccountDocument, { own: account === null, account });
      this.account = found.account ?? found.viewer?.account ?? null;
    } catch (error) {
      return this.fail(error);
    }
    if (!this.account) return this.setPhase('missing');
    await this.open(this.account, entry);
  }

  stop(): void {
    this.follower?.stop();
    this.feed?.stop();
    this.summary?.stop();
    clearTimeout(this.againTimer);
  }

  setView(change: Partial<View>): void {
    this.showView({ ...this.view, ...change });
    this.options.onView?.(this.view);
  }

  /** Shows a view that the address already tells. */
  showView(view: View): void {
    this.view = view;
    this.target = null;
    void this.loadView();
  }

  clearFilters(): void {
    this.setView(NO_FILTER);
  }

  /** Opens the line of a global id: in the list if it is there, else on the page of its month. */
  async openEntry(id: string): Promise<void> {
    const line = await this.readLine(id);
    this.targetMissing = line === null;
    if (!line || !this.feed || !this.summary) return this.changed();
    this.target = { seq: line.seq };
    if (!findSeq(this.feed.edges, line.seq)) {
      if (!inRange(line, this.range) || isFiltered(this.view)) {
        const month = monthOf(dateIn(Date.parse(line.recordedAt), this.zone));
        this.view = { ...this.view, ...NO_FILTER, period: { preset: 'custom', ...month } };
        this.updateRange();
        this.options.onView?.(this.view);
        void this.summary.load(this.range, this.zone);
      }
      await this.feed.loadAround(line, filterOf(this.view, this.range));
    }
    this.changed();
  }

  /** Back to the newest lines. */
  async showNewest(): Promise<void> {
    if (this.feed?.hasNewer) await this.feed.reload();
    else this.feed?.showPending();
  }

  /** The browser's word on the network. */
  setOnline(online: boolean): void {
    if (!online) this.follower?.lose();
    else if (this.phase === 'failed') void this.start();
    else this.follower?.reconnect();
  }

  /** The page came to the front: a socket that died unseen is not waited for. */
  resume(): void {
    if (this.connection === 'reconnecting') this.follower?.reconnect();
  }

  private async open(account: HeadFragment, entry: string | null): Promise<void> {
    const { transport, subscription, webSocket = WebSocket } = this.options;
    const changed = (): void => this.changed();
    this.balance = account.balance;
    this.feed = new Feed(transport, account.id, changed);
    this.summary = new Summary(transport, account.id, changed);
    // The cursor is older than any page read from here on: what lands in between comes twice, not never.
    this.follower = new Follower({
      transport,
      subscription,
      account: account.id,
      since: account.headCursor,
      onLine: (edge) => this.receive(edge),
      onConnection: (connection) => this.setConnection(connection),
      onSignedOut: () => this.setPhase('signed-out'),
      webSocket,
    });
    void this.follower.run();
    await this.loadView(entry !== null);
    if (entry !== null && this.phase === 'loading') {
      await this.openEntry(entry);
      if (this.targetMissing) await this.loadView();
    }
    if (this.feed.error) return this.fail(this.feed.error);
    if (this.phase === 'loading') this.setPhase('ready');
  }

  private async loadView(atLine = false): Promise<void> {
    if (!this.feed || !this.summary) return;
    this.updateRange();
    this.feed.atTop = true;
    void this.summary.load(this.range, this.zone).then(() => this.checkSignedOut(this.summary?.error));
    const reading = this.headSeq;
    if (atLine) return;
    const balance = await this.feed.load(filterOf(this.view, this.range));
    if (balance !== null && this.headSeq === reading) this.balance = balance;
    this.checkSignedOut(this.feed.error);
    this.changed();
  }

  private async readLine(id: string): Promise<Line | null> {
    try {
      const { node } = await this.options.transport.query(UsageFeedLineDocument, { id });
      return node && '__typename' in node ? (node as Line) : null;
    } catch {
      return null;
    }
  }

  private receive(edge: Edge): void {
    if (this.queue.push(edge) === 1) setTimeout(() => this.takeIn(), FRAME_MS);
  }

  private takeIn(): void {
    const landed = this.queue.sort((a, b) => b.node.seq - a.node.seq);
    this.queue = [];
    const newest = landed[0]?.node;
    if (!newest || !this.feed || !this.summary) return;
    const gap = this.headSeq > 0 && landed.some(({ node }) => node.seq > this.headSeq + landed.length);
    if (newest.seq > this.headSeq) {
      this.headSeq = newest.seq;
      this.balance = newest.balanceAfter;
    }
    this.landed = landed;
    const before = this.range;
    this.updateRange();
    if (this.range.from !== before.from || this.range.to !== before.to) return void this.loadView();
    this.feed.settle(
      landed.map((edge) => edge.node).filter((node): node is Refund => node.__typename === 'Refund'),
    );
    const inPeriod = landed.filter(({ node }) => inRange(node, this.range));
    if (this.view.search && inPeriod.length > 0) this.searchAgain();
    else if (gap || this.options.subscription === 'refundLanded') void this.catchUp();
    else this.feed.land(inPeriod.filter(({ node }) => belongs(node, this.view, this.range)));
    if (inPeriod.length > 0) this.summary.refresh();
    this.changed();
  }

  /** What the subscription does not bring, the pages above the newest known line do. */
  private async catchUp(): Promise<void> {
    const known = this.headSeq;
    try {
      const balance = await this.feed?.catchUp();
      if (balance != null && this.headSeq === known) this.balance = balance;
      this.changed();
    } catch (error) {
      this.checkSignedOut(error as Error);
      this.againTimer = setTimeout(() => void this.catchUp(), AGAIN_MS);
    }
  }

  private searchAgain(): void {
    clearTimeout(this.againTimer);
    this.againTimer = setTimeout(() => {
      if (this.feed?.atTop && !this.feed.hasNewer) void this.feed.reload();
    }, SEARCH_AGAIN_MS);
  }

  private setConnection(connection: Connection): void {
    const lost = this.connection === 'reconnecting' || this.connection === 'offline';
    if (this.connection === 'live' && connection !== 'live') this.liveUntil = Date.now();
    this.connection = connection;
    if (connection === 'live' && lost) {
      this.summary?.refresh();
      if (this.options.subscription === 'refundLanded') void this.catchUp();
    }
    this.changed();
  }

  private updateRange(): void {
    this.range = rangeOf(this.view.period, this.zone, Date.now());
  }

  private checkSignedOut(error: Error | null | undefined): void {
    if (error instanceof SignedOut) this.fail(error);
  }

  private fail(error: unknown): void {
    this.stop();
    this.setPhase(error instanceof SignedOut ? 'signed-out' : 'failed');
  }

  private setPhase(phase: Phase): void {
    this.phase = phase;
    this.changed();
  }

  private changed(): void {
    if (this.notifying) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      for (const listener of this.listeners) listener();
    });
  }
}
