/** The page's model against a real server: HTTP, WebSocket, drops and restarts. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { UsageModel, type ModelOptions } from '../src/usage/data/model';
import { Credential, Transport } from '../src/usage/data/transport';
import { DEFAULT_VIEW } from '../src/usage/data/view';
import { TestServer } from './server/server';
import type { Account, Line } from './server/ledger';

let server: TestServer;
let account: Account;
let models: UsageModel[];

const charge = (amount = 90, options: { campaign?: string; recordedAt?: Date } = {}): Line =>
  account.book({ kind: 'CHARGE', amount: -amount, code: 'USAGE_CHARGE', ...options });
const refund = (of: Line, amount: number): Line =>
  account.book({ kind: 'REFUND', amount, code: 'PLATFORM_ERROR', charge: of, automatic: true });

function modelOf(
  options: Partial<ModelOptions> & { token?: string; refresh?: () => Promise<string | null> } = {},
): UsageModel {
  const { token = 'token-of-acme', refresh = null, ...rest } = options;
  const transport = new Transport(new URL('/graphql', server.origin), new Credential(token, refresh));
  const webSocket = WebSocket as unknown as typeof globalThis.WebSocket;
  const model = new UsageModel({
    transport,
    account: null,
    subscription: 'usageEntryLanded',
    view: DEFAULT_VIEW,
    webSocket,
    ...rest,
  });
  models.push(model);
  return model;
}

async function waitFor(what: string, condition: () => boolean, within_ms = 8_000): Promise<void> {
  const until = Date.now() + within_ms;
  while (!condition()) {
    if (Date.now() > until) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const seqs = (model: UsageModel): number[] => (model.feed?.edges ?? []).map(({ node }) => node.seq);
const newestFirst = (count: number): number[] => Array.from({ length: count }, (_, index) => count - index);

async function live(model: UsageModel): Promise<UsageModel> {
  await model.start();
  await waitFor('live', () => model.connection === 'live');
  return model;
}

beforeEach(async () => {
  server = new TestServer();
  account = server.open('acme', 'Acme');
  models = [];
  account.book({ kind: 'GRANT', amount: 10_000, code: 'GRANT_PLAN' });
  await server.start();
});

afterEach(async () => {
  for (const model of models) model.stop();
  await server.stop();
});

describe('live', () => {
  test('a line that lands is at the top, once, and moves balance and statement', async () => {
    const model = await live(modelOf());
    charge(90);
    await waitFor('the line', () => seqs(model).length === 2);
    expect([seqs(model), model.balance]).toEqual([[2, 1], 9_910]);
    await waitFor('the statement', () => model.summary?.totals?.closing === 9_910);
    expect(model.summary?.totals).toMatchObject({ granted: 10_000, charged: 90 });
  });

  test('a refund that lands shows on its charge, though a filter hides the refund', async () => {
    const paid = charge(90);
    const model = await live(modelOf({ view: { ...DEFAULT_VIEW, kinds: ['CHARGE'] } }));
    refund(paid, 40);
    await waitFor('the charge settled', () => {
      const line = model.feed?.edges[0]?.node;
      return line?.__typename === 'Charge' && line.refunded === 40 && line.net === -50;
    });
    expect([seqs(model), model.balance]).toEqual([[2], 9_950]);
  });

  test('lines that land between the account and its page come once', async () => {
    server.delay_ms = 60;
    const model = modelOf();
    const started = model.start();
    for (let count = 0; count < 30; count += 1) {
      charge(1);
      await new Promise((resolve) => setTimeout(resolve, 7));
    }
    await started;
    await waitFor('all lines', () => seqs(model).length === 31);
    expect(seqs(model)).toEqual(newestFirst(31));
    expect(model.balance).toBe(account.balance);
  });

  test('after a drop every line that landed meanwhile is there once, in order', async () => {
    const model = await live(modelOf());
    for (let round = 0; round < 3; round += 1) {
      charge(1);
      server.drop();
      for (let count = 0; count < 60; count += 1) charge(1);
      await waitFor('the gap filled', () => seqs(model)[0] === account.lines.length);
    }
    expect(seqs(model)).toEqual(newestFirst(184));
    await waitFor('the statement', () => model.summary?.totals?.closing === account.balance);
  });

  test('a restarted server is found again and nothing is missed', async () => {
    const model = await live(modelOf());
    await server.stop();
    await waitFor('the loss noticed', () => model.connection === 'reconnecting');
    for (let count = 0; count < 130; count += 1) charge(1);
    await server.start();
    await waitFor('the gap filled', () => seqs(model)[0] === 131, 12_000);
    expect([seqs(model), model.connection]).toEqual([newestFirst(131), 'live']);
  });

  test('through refundLanded the charges come with the refund, by paging up to it', async () => {
    const model = await live(modelOf({ subscription: 'refundLanded' }));
    let paid = charge(90);
    for (let count = 0; count < 120; count += 1) paid = charge(90);
    refund(paid, 90);
    await waitFor('the refund', () => seqs(model).length === 123);
    expect([seqs(model), model.balance]).toEqual([newestFirst(123), account.balance]);
  });

  test('a reader who is further down is told how many landed, and sees them on asking', async () => {
    const model = await live(modelOf());
    model.feed?.setAtTop(false);
    charge(1);
    charge(1);
    await waitFor('two pending', () => model.feed?.pending.length === 2);
    expect([seqs(model), model.balance]).toEqual([[1], 9_998]);
    await model.showNewest();
    expect([seqs(model), model.feed?.pending.length]).toEqual([[3, 2, 1], 0]);
  });

  test('only lines of the view come in', async () => {
    const model = await live(modelOf({ view: { ...DEFAULT_VIEW, campaign: 'spring' } }));
    charge(1, { campaign: 'spring' });
    charge(2, { campaign: 'autumn' });
    charge(3, { campaign: 'spring' });
    await waitFor('the balance', () => model.balance === 9_994);
    await waitFor('both lines', () => seqs(model).length === 2);
    expect(seqs(model)).toEqual([4, 2]);
  });
});

describe('paging', () => {
  test('older lines follow page by page to the first', async () => {
    for (let count = 0; count < 140; count += 1) charge(1);
    const model = await live(modelOf());
    expect(seqs(model).length).toBe(50);
    await model.feed?.loadOlder();
    await model.feed?.loadOlder();
    expect([seqs(model), model.feed?.hasOlder]).toEqual([newestFirst(141), false]);
  });

  test('a linked line opens among its neighbours, and the list grows both ways to the ends', async () => {
    for (let count = 0; count < 299; count += 1) charge(1);
    const model = await live(modelOf());
    await model.openEntry(account.lines[149]?.id ?? '');
    expect(model.target).toEqual({ seq: 150 });
    expect(seqs(model)).toContain(150);
    expect(model.feed?.hasNewer).toBe(true);
    charge(1);
    await waitFor('the landed line to wait', () => model.feed?.pending.length === 1);
    while (model.feed?.hasNewer) await model.feed.loadNewer();
    while (model.feed?.hasOlder) await model.feed.loadOlder();
    expect(seqs(model)).toEqual(newestFirst(301));
  });

  test('a linked line of another month brings its month along', async () => {
    const recordedAt = new Date(Date.UTC(2026, 1, 3));
    const other = server.open('old', 'Old');
    const line = other.book({ kind: 'GRANT', amount: 5, code: 'GRANT_PLAN', recordedAt });
    const model = modelOf({ token: 'token-of-old' });
    await model.start(line.id);
    expect(model.range).toMatchObject({ first: '2026-02-01', last: '2026-02-28' });
    expect([model.phase, seqs(model), model.target]).toEqual(['ready', [1], { seq: 1 }]);
  });

  test('a link to a line that is not there says so and shows the page', async () => {
    const model = modelOf();
    await model.start('bm90LXRoZXJl');
    expect([model.phase, model.targetMissing, seqs(model)]).toEqual(['ready', true, [1]]);
  });
});

describe('credentials', () => {
  test('a refused token is renewed once, whatever was refused at the same time', async () => {
    let asked = 0;
    const refresh = async (): Promise<string> => {
      asked += 1;
      return 'token-of-acme';
    };
    const model = await live(modelOf({ token: 'expired', refresh }));
    expect([model.phase, seqs(model), asked]).toEqual(['ready', [1], 1]);
  });

  test('a token that cannot be renewed is signed out, live or not', async () => {
    const model = modelOf({ token: 'expired' });
    await model.start();
    expect(model.phase).toBe('signed-out');
    const other = await live(modelOf());
    server.tokens.clear();
    server.drop();
    await waitFor('signed out', () => other.phase === 'signed-out');
  });

  test('a token that expires while connected is renewed, and no line is missed', async () => {
    const refresh = async (): Promise<string> => 'second';
    const model = await live(modelOf({ refresh }));
    server.tokens.clear();
    server.tokens.set('second', account);
    server.drop();
    charge(1);
    await waitFor('the line', () => seqs(model).length === 2);
    expect(model.connection).toBe('live');
  });
});

describe('failures', () => {
  test('a failed start can be tried again', async () => {
    server.failing = true;
    const model = modelOf();
    await model.start();
    expect(model.phase).toBe('failed');
    server.failing = false;
    await model.start();
    expect([model.phase, seqs(model)]).toEqual(['ready', [1]]);
  });

  test('a page that fails to load leaves what is there, and comes on asking', async () => {
    for (let count = 0; count < 60; count += 1) charge(1);
    const model = await live(modelOf());
    server.failing = true;
    await model.feed?.loadOlder();
    expect([seqs(model).length, model.feed?.error === null]).toEqual([50, false]);
    server.failing = false;
    await model.feed?.loadOlder();
    expect([seqs(model).length, model.feed?.error]).toEqual([61, null]);
  });
});
