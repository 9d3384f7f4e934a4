/**
 * A small ledger in memory, for the page's own tests: the contract's shapes over an array of lines.
 * Owns no rule of the real ledger (that is the database's); only what a page can observe of it.
 */
import { EventEmitter } from 'node:events';
import { dayIn, startOfMonths } from './calendar.ts';

type Args = Record<string, unknown>;
export type Kind = 'CHARGE' | 'REFUND' | 'GRANT' | 'ADJUSTMENT';

interface Reason {
  code: string;
  title: string;
  detail: string | null;
  fault: 'PLATFORM' | 'PROVIDER' | 'CUSTOMER' | 'NONE';
}

export interface NewLine {
  kind: Kind;
  amount: number;
  code: string;
  detail?: string;
  campaign?: string;
  job?: Job;
  charge?: Line;
  automatic?: boolean;
  note?: string;
  recordedAt?: Date;
  occurredAt?: Date;
}

const REASONS: Record<string, [string, Reason['fault']]> = {
  JOB_CHARGE: ['Generation', 'NONE'],
  USAGE_CHARGE: ['Usage', 'NONE'],
  GRANT_PLAN: ['Plan credits', 'NONE'],
  PURCHASE_MANUAL: ['Credits bought', 'NONE'],
  PLATFORM_ERROR: ['The platform failed', 'PLATFORM'],
  PROVIDER_TIMEOUT: ['The provider did not answer in time', 'PROVIDER'],
  PARTIAL_OUTPUT: ['Only part of the output was made', 'PLATFORM'],
  OUTPUT_BLOCKED: ['The output was withheld', 'PROVIDER'],
  GOODWILL: ['Goodwill', 'NONE'],
  MANUAL_CORRECTION: ['Correction', 'NONE'],
  COMPLETED: ['The work was completed', 'NONE'],
  INPUT_POLICY: ['The input broke the content policy', 'CUSTOMER'],
};

const id = (type: string, value: string | number): string =>
  Buffer.from(`${type}:${value}`).toString('base64');
const cursorOf = (seq: number): string => Buffer.from(`seq:${seq}`).toString('base64url');
const seqOf = (cursor: string): number => Number(Buffer.from(cursor, 'base64url').toString().slice(4));
const reasonOf = (code: string, detail?: string): Reason => {
  const [title, fault] = REASONS[code] ?? [code, 'NONE'];
  return { code, title, detail: detail ?? null, fault };
};

export class Job {
  readonly __typename = 'Job';
  readonly id: string;
  status = 'RUNNING';
  charge: Line | null = null;
  finishedAt: string | null = null;
  refundDecision: { refunded: number; reason: Reason; rule: string } | null = null;
  readonly refunds: Line[] = [];
  constructor(
    readonly account: Account,
    readonly key: string,
    readonly operation: string,
    readonly campaign: string | null,
    readonly startedAt: string,
  ) {
    this.id = id('Job', `${account.key}/${key}`);
  }
  get deadlineAt(): string {
    return new Date(Date.parse(this.startedAt) + 3_600_000).toISOString();
  }
  get net(): number {
    return this.charge?.net ?? 0;
  }
  finish(status: string, decision: { refunded: number; code: string; detail?: string }, at: Date): void {
    this.status = status;
    this.finishedAt = at.toISOString();
    this.refundDecision = {
      refunded: decision.refunded,
      reason: reasonOf(decision.code, decision.detail),
      rule: 'default 1',
    };
  }
}

export class Line {
  readonly __typename: string;
  readonly id: string;
  readonly kind: Kind;
  readonly amount: number;
  readonly balanceAfter: number;
  readonly reason: Reason;
  readonly campaign: string | null;
  readonly job: Job | null;
  readonly charge: Line | null;
  readonly recordedAt: string;
  readonly occurredAt: string;
  readonly automatic: boolean;
  readonly rule: string | null;
  readonly author = 'support@example.com';
  readonly note: string;
  readonly corrects = null;
  readonly metadata = null;
  readonly refunds: Line[] = [];
  constructor(
    readonly account: Account,
    readonly seq: number,
    line: NewLine,
    at: Date,
  ) {
    this.id = id('Entry', `${account.key}/${seq}`);
    this.kind = line.kind;
    this.__typename = line.kind[0] + line.kind.slice(1).toLowerCase();
    this.amount = line.amount;
    this.balanceAfter = account.balance + line.amount;
    this.reason = reasonOf(line.code, line.detail);
    this.job = line.job ?? line.charge?.job ?? null;
    this.charge = line.charge ?? null;
    this.campaign = line.campaign ?? line.charge?.campaign ?? null;
    this.recordedAt = at.toISOString().replace('Z', '000+00:00');
    this.occurredAt = (line.occurredAt ?? at).toISOString().replace('Z', '000+00:00');
    this.automatic = line.automatic ?? false;
    this.rule = this.automatic ? 'default 1' : null;
    this.note = line.note ?? '';
  }
  get refunded(): number {
    return this.refunds.reduce((sum, refund) => sum + refund.amount, 0);
  }
  get net(): number {
    return this.amount + this.refunded;
  }
}

const kindTotals = (
  lines: Line[],
): { granted: number; charged: number; refunded: number; adjusted: number } => {
  const sum = (kind: Kind): number =>
    lines.reduce((total, line) => (line.kind === kind ? total + line.amount : total), 0);
  return {
    granted: sum('GRANT'),
    charged: 0 - sum('CHARGE'),
    refunded: sum('REFUND'),
    adjusted: sum('ADJUSTMENT'),
  };
};

function groupBy<T, K>(items: T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

export class Account {
  readonly __typename = 'Account';
  readonly id: string;
  readonly unit: string;
  readonly scale: number;
  readonly timeZone: string;
  readonly overdraftLimit = 0;
  readonly lines: Line[] = [];
  readonly bell = new EventEmitter();
  constructor(
    readonly key: string,
    readonly name: string,
    options: { unit?: string; scale?: number; timeZone?: string } = {},
  ) {
    this.id = id('Account', key);
    this.unit = options.unit ?? 'credits';
    this.scale = options.scale ?? 0;
    this.timeZone = options.timeZone ?? 'UTC';
    this.bell.setMaxListeners(0);
  }
  get balance(): number {
    return this.lines.at(-1)?.balanceAfter ?? 0;
  }
  get available(): number {
    return Math.max(0, this.balance);
  }
  get headCursor(): string {
    return cursorOf(this.lines.length);
  }

  /** Now, but never the instant of the line before: a fast machine books hundreds in a millisecond. */
  private next(): Date {
    const last = this.lines.at(-1)?.recordedAt;
    return new Date(Math.max(Date.now(), last === undefined ? 0 : Date.parse(last) + 1));
  }

  book(line: NewLine): Line {
    const entry = new Line(this, this.lines.length + 1, line, line.recordedAt ?? this.next());
    this.lines.push(entry);
    if (entry.kind === 'CHARGE' && entry.job) entry.job.charge = entry;
    if (entry.charge) {
      entry.charge.refunds.push(entry);
      entry.job?.refunds.push(entry);
    }
    this.bell.emit('ring');
    return entry;
  }

  usage(args: Args): unknown {
    const filter = (args['filter'] ?? {}) as Args;
    const all = this.lines.filter((line) => matches(line, filter)).reverse();
    const after = args['after'] ? seqOf(args['after'] as string) : Infinity;
    const before = args['before'] ? seqOf(args['before'] as string) : -Infinity;
    const between = all.filter((line) => line.seq < after && line.seq > before);
    const last = args['last'] as number | undefined;
    const picked = last
      ? between.slice(-last)
      : between.slice(0, (args['first'] as number | undefined) ?? 50);
    const edges = picked.map((node) => ({ cursor: cursorOf(node.seq), node }));
    const newest = picked[0]?.seq ?? -Infinity;
    const oldest = picked.at(-1)?.seq ?? Infinity;
    return {
      edges,
      nodes: picked,
      pageInfo: {
        hasNextPage: all.some((line) => line.seq < oldest),
        hasPreviousPage: all.some((line) => line.seq > newest),
        startCursor: edges[0]?.cursor ?? null,
        endCursor: edges.at(-1)?.cursor ?? null,
      },
    };
  }
  entry({ seq }: { seq: number }): Line | null {
    return this.lines[seq - 1] ?? null;
  }
  job({ key }: { key: string }): Job | null {
    return this.lines.find((line) => line.job?.key === key)?.job ?? null;
  }
  statement(args: { from: string; to: string; timeZone?: string }): unknown {
    const zone = args.timeZone ?? this.timeZone;
    const before = this.lines.filter((line) => line.recordedAt < canonical(args.from));
    const lines = this.lines.filter((line) => matches(line, args));
    const totals = kindTotals(lines);
    const opening = before.at(-1)?.balanceAfter ?? 0;
    return {
      ...totals,
      account: this,
      from: args.from,
      to: args.to,
      timeZone: zone,
      opening,
      closing: lines.at(-1)?.balanceAfter ?? opening,
      unexplained: 0,
      final: Date.parse(args.to) < Date.now(),
      byReason: [...groupBy(lines, (line) => line.reason.code).values()].map((group) => ({
        kind: group[0]?.kind,
        reason: { ...group[0]?.reason, detail: null },
        count: group.length,
        amount: Math.abs(group.reduce((sum, line) => sum + line.amount, 0)),
      })),
      byCampaign: [...groupBy(lines, (line) => line.campaign)].map(([campaign, group]) => ({
        campaign,
        count: group.length,
        ...kindTotals(group),
      })),
      byDay: [...groupBy(lines, (line) => dayIn(zone, line.recordedAt))].map(([date, group]) => ({
        date,
        ...kindTotals(group),
      })),
    };
  }

  async *landed(since: string | undefined, wanted: (line: Line) => boolean): AsyncGenerator<unknown> {
    let seen = since ? seqOf(since) : this.lines.length;
    for (;;) {
      for (const node of this.lines.slice(seen)) {
        seen = node.seq;
        if (wanted(node))
          yield {
            edge: { cursor: cursorOf(node.seq), node },
            account: { ...this, balance: node.balanceAfter },
          };
      }
      if (this.lines.length === seen) await new Promise((resolve) => this.bell.once('ring', resolve));
    }
  }
}

const canonical = (instant: string): string => new Date(instant).toISOString().replace('Z', '000+00:00');

function matches(line: Line, filter: Args): boolean {
  const kinds = filter['kinds'] as Kind[] | undefined;
  const search = (filter['search'] as string | undefined)?.toLowerCase();
  return (
    (!kinds || kinds.includes(line.kind)) &&
    (!filter['campaign'] || line.campaign === filter['campaign']) &&
    (!filter['reasonCode'] || line.reason.code === filter['reasonCode']) &&
    (!filter['from'] || line.recordedAt >= canonical(filter['from'] as string)) &&
    (!filter['to'] || line.recordedAt < canonical(filter['to'] as string)) &&
    (!search || line.id.toLowerCase() === search || (line.job?.key.toLowerCase().includes(search) ?? false))
  );
}

const OPERATIONS: [string, string | null, number][] = [
  ['text_to_image', 'Autumn launch', 90],
  ['image_to_image', 'Autumn launch', 120],
  ['upscale', null, 15],
  ['draft_generation', 'Newsletter', 40],
];

/** Books two months of a believable history that ends a few minutes before now, always the same way. */
export function bookHistory(account: Account, jobs: number, now = new Date()): void {
  let state = 7;
  const random = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const months = startOfMonths(now);
  const start = months[0]?.getTime() ?? 0;
  const unit = 10 ** account.scale;
  const grants = months.map((at) => at.getTime());
  const times = Array.from(
    { length: jobs },
    () => start + 3_600_000 + random() ** 0.8 * (now.getTime() - start - 9_000_000),
  );
  for (const time of times.sort((a, b) => a - b)) {
    while (grants[0] !== undefined && grants[0] <= time) {
      account.book({
        kind: 'GRANT',
        amount: 30_000 * unit,
        code: 'GRANT_PLAN',
        detail: 'Studio plan, monthly credits',
        recordedAt: new Date(grants.shift() ?? 0),
      });
    }
    bookJob(account, time, random, unit);
  }
  bookJob(account, now.getTime() - 3_000_000, () => 0.06, unit);
  account.book({
    kind: 'ADJUSTMENT',
    amount: 75 * unit,
    code: 'MANUAL_CORRECTION',
    note: 'Two drafts were priced at the old rate',
    recordedAt: new Date(now.getTime() - 400_000),
  });
}

function bookJob(account: Account, time: number, random: () => number, unit: number): void {
  const [operation, campaign, price] = OPERATIONS[Math.floor(random() * OPERATIONS.length)] ?? [
    'upscale',
    null,
    15,
  ];
  const at = new Date(time);
  const job = new Job(
    account,
    `gen-${String(account.lines.length + 1000)}`,
    operation,
    campaign,
    at.toISOString(),
  );
  const amount = price * unit + Math.floor(random() * unit);
  const charge = account.book({
    kind: 'CHARGE',
    amount: 0 - amount,
    code: 'JOB_CHARGE',
    job,
    ...(campaign ? { campaign } : {}),
    recordedAt: at,
  });
  const done = new Date(time + 30_000 + random() * 200_000);
  const luck = random();
  if (luck > 0.12) return job.finish('SUCCEEDED', { refunded: 0, code: 'COMPLETED' }, done);
  if (luck > 0.1)
    return job.finish(
      'FAILED',
      { refunded: 0, code: 'INPUT_POLICY', detail: 'The prompt names a real person.' },
      done,
    );
  const partial = luck < 0.03;
  const code = partial ? 'PARTIAL_OUTPUT' : luck < 0.07 ? 'PLATFORM_ERROR' : 'PROVIDER_TIMEOUT';
  const refunded = partial ? Math.ceil(amount / 3) : amount;
  const detail = partial
    ? '2 of 3 images were made.'
    : 'The generation stopped before anything was made. Nothing was kept.';
  job.finish(partial ? 'PARTIAL' : 'FAILED', { refunded, code, detail }, done);
  account.book({
    kind: 'REFUND',
    amount: refunded,
    code,
    detail,
    charge,
    automatic: true,
    recordedAt: done,
    occurredAt: done,
  });
}
