import { describe, expect, test } from 'vitest';
import { findSeq, merge, settle, type Edge, type Refund } from '../src/usage/data/lines';
import { daysOf, Layout } from '../src/usage/ui/layout';

const charge = (seq: number, refunded = 0): Edge =>
  ({
    cursor: `c${seq}`,
    node: {
      __typename: 'Charge',
      seq,
      amount: -90,
      refunded,
      net: refunded - 90,
      recordedAt: new Date(seq * 3_600_000).toISOString(),
    },
  }) as unknown as Edge;
const refundOf = (seq: number, refunded: number): Refund =>
  ({ __typename: 'Refund', charge: { seq, refunded, net: refunded - 90 } }) as unknown as Refund;
const seqs = (edges: readonly Edge[]): number[] => edges.map(({ node }) => node.seq);
const refundedOf = (edges: readonly Edge[], seq: number): number => {
  const node = findSeq(edges, seq)?.node;
  return node?.__typename === 'Charge' ? node.refunded : Number.NaN;
};

describe('merging', () => {
  test('overlapping lists become one, newest first, each line once', () => {
    expect(
      seqs(
        merge(
          [9, 7, 5, 3].map((seq) => charge(seq)),
          [8, 7, 6, 3, 1].map((seq) => charge(seq)),
        ),
      ),
    ).toEqual([9, 8, 7, 6, 5, 3, 1]);
  });

  test('any order of arrival ends in the same list', () => {
    let state = 11;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 200; round += 1) {
      const all = Array.from({ length: 40 }, (_, index) => charge(40 - index));
      let known: readonly Edge[] = [];
      const batches = Array.from({ length: 8 }, () => all.filter(() => random() < 0.5));
      for (const batch of [...batches, all]) known = merge(known, batch);
      expect(seqs(known)).toEqual(seqs(all));
    }
  });

  test('a page read before a refund does not take back what the charge got', () => {
    expect(refundedOf(merge([charge(5, 90)], [charge(5, 40)]), 5)).toBe(90);
    expect(refundedOf(merge([charge(5, 40)], [charge(5, 90)]), 5)).toBe(90);
  });
});

describe('settling', () => {
  test('a refund that lands updates its charge, the same refund again changes nothing', () => {
    const once = settle([charge(6), charge(5)], [refundOf(5, 40)]);
    expect([refundedOf(once, 5), refundedOf(once, 6)]).toEqual([40, 0]);
    expect(settle(once, [refundOf(5, 40)])).toBe(once);
  });

  test('a refund of a charge that is not on the page changes nothing', () => {
    const edges = [charge(6), charge(4)];
    expect(settle(edges, [refundOf(5, 40)])).toBe(edges);
  });
});

describe('layout', () => {
  const edges = Array.from({ length: 1_000 }, (_, index) => charge(5_000 - index));

  test('the days of a list are those found line by line', () => {
    const expected: { date: string; start: number }[] = [];
    edges.forEach(({ node }, start) => {
      const date = node.recordedAt.slice(0, 10);
      if (expected.at(-1)?.date !== date) expected.push({ date, start });
    });
    expect(daysOf(edges, 'UTC')).toEqual(expected);
  });

  test('every line is found again at its own height, opened rows included', () => {
    const layout = new Layout(edges.length, daysOf(edges, 'UTC'), { row: 60, heading: 40 }, [
      [3, 200],
      [500, 90],
    ]);
    for (let index = 0; index < edges.length; index += 1) {
      expect(layout.indexAt(layout.top(index))).toBe(index);
      expect(layout.indexAt(layout.top(index) + 59)).toBe(index);
    }
    expect(layout.height).toBe(layout.top(999) + 60);
  });
});
