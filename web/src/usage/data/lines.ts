/** Lists of lines, newest first, each `seq` once. Pure: every function returns a new list or the same one. */
import type { LineFragment } from './generated';

export type Line = LineFragment;
export type Charge = Extract<Line, { __typename: 'Charge' }>;
export type Refund = Extract<Line, { __typename: 'Refund' }>;

export interface Edge {
  readonly cursor: string;
  readonly node: Line;
}

/** Where `seq` stands in the list, or would. */
export function indexOfSeq(edges: readonly Edge[], seq: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle]?.node.seq ?? 0) > seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const findSeq = (edges: readonly Edge[], seq: number): Edge | undefined => {
  const edge = edges[indexOfSeq(edges, seq)];
  return edge?.node.seq === seq ? edge : undefined;
};

/** What a charge got back only ever grows: of two readings the larger is the later. */
function fresher(known: Line, read: Line): Line {
  if (known.__typename === 'Charge' && read.__typename === 'Charge' && known.refunded > read.refunded) {
    return { ...read, refunded: known.refunded, net: known.net };
  }
  return read;
}

/** Both lists as one. A line in both is there once, in its later state. */
export function merge(known: readonly Edge[], read: readonly Edge[]): readonly Edge[] {
  if (read.length === 0) return known;
  if ((known.at(-1)?.node.seq ?? 0) > (read[0]?.node.seq ?? 0)) return [...known, ...read];
  const merged: Edge[] = [];
  let left = 0;
  let right = 0;
  for (;;) {
    const a = known[left];
    const b = read[right];
    if (a === undefined && b === undefined) return merged;
    if (a !== undefined && b !== undefined && a.node.seq === b.node.seq) {
      merged.push({ cursor: b.cursor, node: fresher(a.node, b.node) });
      left += 1;
      right += 1;
    } else if (b === undefined || (a !== undefined && a.node.seq > b.node.seq)) {
      merged.push(a as Edge);
      left += 1;
    } else {
      merged.push(b);
      right += 1;
    }
  }
}

/** Lets the charges of refunds that landed show what they got back. */
export function settle(edges: readonly Edge[], refunds: readonly Refund[]): readonly Edge[] {
  let settled: Edge[] | undefined;
  for (const { charge } of refunds) {
    const at = indexOfSeq(edges, charge.seq);
    const edge = (settled ?? edges)[at];
    if (edge?.node.__typename !== 'Charge' || edge.node.seq !== charge.seq) continue;
    if (edge.node.refunded >= charge.refunded) continue;
    settled ??= [...edges];
    settled[at] = { ...edge, node: { ...edge.node, refunded: charge.refunded, net: charge.net } };
  }
  return settled ?? edges;
}
