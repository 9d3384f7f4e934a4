/**
 * Follows an account's new lines for as long as the page is open.
 * Owns the cursor to resume from: it advances with every line, and a new connection starts behind
 * the last line seen, so nothing is missed. Does not merge: a line may come twice.
 */
import { RefundLandedDocument, UsageEntryLandedDocument } from './generated';
import type { Edge } from './lines';
import { subscribe, type Ending } from './socket';
import { isRefusal, type Transport } from './transport';

export type Connection = 'connecting' | 'live' | 'reconnecting' | 'offline';
export type Subscription = 'usageEntryLanded' | 'refundLanded';

const RETRY_MS_MIN = 400;
const RETRY_MS_MAX = 15_000;
/** Close codes that are about the credential. */
const REFUSED_CODES = [4401, 4403];

const DOCUMENTS = { usageEntryLanded: UsageEntryLandedDocument, refundLanded: RefundLandedDocument };

export interface FollowerOptions {
  readonly transport: Transport;
  readonly subscription: Subscription;
  readonly account: string;
  readonly since: string;
  readonly onLine: (edge: Edge) => void;
  readonly onConnection: (connection: Connection) => void;
  readonly onSignedOut: () => void;
  readonly webSocket: typeof WebSocket;
}

export class Follower {
  private readonly options: FollowerOptions;
  private cursor: string;
  private drop: () => void = () => undefined;
  private wake: () => void = () => undefined;
  private stopped = false;
  private failures = 0;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.cursor = options.since;
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const { credential } = this.options.transport;
    while (!this.stopped) {
      const used = credential.token;
      const ending = await this.follow();
      if (this.stopped) return;
      if (isRefused(ending) && !(await credential.renew(used))) return this.options.onSignedOut();
      this.options.onConnection(online() ? 'reconnecting' : 'offline');
      await this.pause();
    }
  }

  /** Drops the connection, if there is one, and tries again at once. */
  reconnect(): void {
    this.failures = 0;
    this.drop();
    this.wake();
  }

  /** The browser says that there is no network: no ping is needed to notice. */
  lose(): void {
    this.drop();
    this.options.onConnection('offline');
  }

  stop(): void {
    this.stopped = true;
    this.drop();
    this.wake();
  }

  private async pause(): Promise<void> {
    const ceiling_ms = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.failures);
    this.failures += 1;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (online()) setTimeout(resolve, ceiling_ms * (0.5 + Math.random() / 2));
    });
  }

  private follow(): Promise<Ending> {
    const { account, onConnection, onLine, subscription, transport, webSocket } = this.options;
    return new Promise((resolve) => {
      this.drop = subscribe({
        url: transport.socketUrl,
        authorization: transport.credential.header,
        query: String(DOCUMENTS[subscription]),
        variables: { account, since: this.cursor },
        webSocket,
        onConnected: () => {
          this.failures = 0;
          onConnection('live');
        },
        onNext: ({ data, errors }) => {
          const edge = (data as Partial<Record<Subscription, { edge: Edge }>> | null)?.[subscription]?.edge;
          if (!edge) {
            resolve({ errors });
            return this.drop();
          }
          this.cursor = edge.cursor;
          onLine(edge);
        },
        onEnd: resolve,
      });
    });
  }
}

const online = (): boolean => globalThis.navigator?.onLine !== false;

function isRefused(ending: Ending): boolean {
  if (ending === 'complete') return false;
  return 'code' in ending ? REFUSED_CODES.includes(ending.code) : isRefusal(ending.errors);
}
