/** The feed itself: only what is near the window is drawn, whatever its length. */
import type { JSX } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { indexOfSeq } from '../data/lines';
import { strings } from '../text/strings';
import { useNow, useShared } from './context';
import { Icon } from './icons';
import { daysOf, Layout, type Sizes } from './layout';
import { Row } from './Row';
import { useTip } from './Tip';

const OVERSCAN = 600;
const DRAWN_MIN = 1_200;
/** Paper has no scrolling: about this many pixels of lines are printed, if they are loaded. */
const PRINTED_MAX = 120_000;
const NARROW = 640;
const WIDE_SIZES: Sizes = { row: 60, heading: 40 };
const NARROW_SIZES: Sizes = { row: 76, heading: 40 };
const TICK_MS = 20_000;

export interface Keys {
  /** Moves the focus by so many lines. */
  move(by: number): void;
  /** Closes the opened lines; false when there was none. */
  close(): boolean;
}

function scrollerOf(element: Element): Element {
  for (let at: Node | null = element; at; at = at.parentNode ?? (at as ShadowRoot).host ?? null) {
    if (!(at instanceof Element) || at.scrollHeight <= at.clientHeight) continue;
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  }
  return document.scrollingElement ?? document.documentElement;
}

/** The part of the list that is on screen, and how wide the list is. */
function useWindow(list: { current: HTMLElement | null }): {
  from: number;
  to: number;
  width: number;
  seen: boolean;
} {
  const [state, setState] = useState({ from: 0, to: DRAWN_MIN, width: 800, seen: true });
  useEffect(() => {
    const measure = (): void => {
      const box = list.current?.getBoundingClientRect();
      if (!box) return;
      // In steps, so that not every scrolled pixel draws the list again.
      const from = Math.floor((-box.top - OVERSCAN) / 200) * 200;
      const next = {
        from,
        // The first lines are there even where they are far below: for find, print and readers.
        to: Math.max(DRAWN_MIN, from + window.innerHeight + 2 * OVERSCAN + 200),
        width: box.width,
        seen: box.top > -40,
      };
      setState((known) =>
        known.from === next.from &&
        known.to === next.to &&
        known.width === next.width &&
        known.seen === next.seen
          ? known
          : next,
      );
    };
    const observer = new ResizeObserver(measure);
    if (list.current) observer.observe(list.current);
    document.addEventListener('scroll', measure, { capture: true, passive: true });
    window.addEventListener('resize', measure);
    const drawAll = (): void => setState((known) => ({ ...known, from: 0, to: PRINTED_MAX }));
    window.addEventListener('beforeprint', drawAll);
    window.addEventListener('afterprint', measure);
    measure();
    return () => {
      observer.disconnect();
      document.removeEventListener('scroll', measure, { capture: true });
      window.removeEventListener('resize', measure);
      window.removeEventListener('beforeprint', drawAll);
      window.removeEventListener('afterprint', measure);
    };
  }, [list]);
  return state;
}

export function Lines({ keys }: { keys: { current: Keys | null } }): JSX.Element {
  const { model, format } = useShared();
  const feed = model.feed;
  const edges = feed?.edges ?? [];
  const list = useRef<HTMLDivElement>(null);
  const view = useWindow(list);
  const now = useNow(TICK_MS);
  const tip = useTip();
  const [exact, setExact] = useState(false);
  const [open, setOpen] = useState<ReadonlyMap<number, number>>(new Map());
  const [current, setCurrent] = useState<number | null>(null);
  const sizes = view.width < NARROW ? NARROW_SIZES : WIDE_SIZES;
  const days = useMemo(() => daysOf(edges, format.zone), [edges, format.zone]);
  const opened = [...open].map(([seq, height]): [number, number] => [indexOfSeq(edges, seq), height]);
  const layout = new Layout(edges.length, days, sizes, opened);

  useEffect(() => feed?.setAtTop(view.seen), [feed, view.seen]);
  const nearEnd = view.to > layout.height - 400;
  useEffect(() => {
    if (nearEnd && !feed?.error) void feed?.loadOlder();
  }, [nearEnd, edges, feed, feed?.loading]);

  const toggle = useCallback((seq: number) => {
    setCurrent(seq);
    setOpen((known) => {
      const next = new Map(known);
      if (!next.delete(seq)) next.set(seq, 0);
      return next;
    });
  }, []);
  const measured = useCallback((seq: number, height: number) => {
    setOpen((known) =>
      known.has(seq) && known.get(seq) !== height ? new Map(known).set(seq, height) : known,
    );
  }, []);

  const reveal = (index: number, place: 'near' | 'middle'): void => {
    const box = list.current?.getBoundingClientRect();
    if (!box || !list.current) return;
    const top = box.top + layout.top(index);
    const margin = 80;
    const { innerHeight } = window;
    const scroller = scrollerOf(list.current);
    if (place === 'middle') scroller.scrollBy(0, top - innerHeight / 3);
    else if (top < margin) scroller.scrollBy(0, top - margin);
    else if (top > innerHeight - sizes.row - margin)
      scroller.scrollBy(0, top - innerHeight + sizes.row + margin);
  };
  const focusRow = (seq: number): void => {
    requestAnimationFrame(() =>
      list.current?.querySelector<HTMLElement>(`[data-seq="${seq}"] .line`)?.focus({ preventScroll: true }),
    );
  };

  keys.current = {
    move: (by) => {
      const at = current === null ? (by > 0 ? -1 : 0) : indexOfSeq(edges, current);
      const edge = edges[Math.max(0, Math.min(edges.length - 1, at + by))];
      if (!edge) return;
      setCurrent(edge.node.seq);
      reveal(indexOfSeq(edges, edge.node.seq), 'near');
      focusRow(edge.node.seq);
    },
    close: () => {
      if (open.size > 0) setOpen(new Map());
      return open.size > 0;
    },
  };

  const { target } = model;
  useLayoutEffect(() => {
    if (!target) return;
    setCurrent(target.seq);
    setOpen(new Map([[target.seq, 0]]));
    reveal(indexOfSeq(edges, target.seq), 'middle');
    focusRow(target.seq);
  }, [target, edges.length > 0]);

  // Lines that come in above the reader leave what is being read where it is.
  const anchor = useRef<{ seq: number; top: number } | null>(null);
  useLayoutEffect(() => {
    const known = anchor.current;
    if (known && !view.seen && list.current) {
      const moved = layout.top(indexOfSeq(edges, known.seq)) - known.top;
      if (moved > 0) scrollerOf(list.current).scrollBy(0, moved);
    }
    const first = edges[0];
    anchor.current = first ? { seq: first.node.seq, top: layout.top(0) } : null;
  }, [edges]);

  const first = layout.indexAt(Math.max(0, view.from));
  const last = Math.min(edges.length - 1, layout.indexAt(view.to));
  const shown = edges.slice(first, last + 1).map((_, offset) => first + offset);
  const at = current === null ? -1 : indexOfSeq(edges, current);
  if (at >= 0 && edges[at]?.node.seq === current && (at < first || at > last)) shown.push(at);
  const roving = at >= 0 ? current : edges[0]?.node.seq;

  return (
    <section class={`card lines ${feed?.loading === 'first' ? 'stale' : ''}`}>
      <div class="columns">
        <span class="what">{strings.feed.what}</span>
        <button
          type="button"
          class="plain when"
          onClick={() => setExact(!exact)}
          title={exact ? strings.feed.relative : strings.feed.absolute}
          aria-pressed={exact}
        >
          {strings.feed.when} <Icon name="clock" size={12} />
        </button>
        <span class="amount">{strings.feed.amount}</span>
        <span class="after">{strings.feed.balanceAfter}</span>
      </div>
      <Fresh
        toTop={() =>
          list.current && scrollerOf(list.current).scrollBy(0, list.current.getBoundingClientRect().top - 120)
        }
      />
      <div
        ref={list}
        class="list"
        role="feed"
        aria-label={strings.feed.label}
        aria-busy={feed?.loading != null}
        style={{ height: `${layout.height}px` }}
        {...tip.handlers}
      >
        {days
          .filter(({ start }) => start >= first && start <= last + 1)
          .map(({ date, start }) => (
            <div
              key={date}
              class="day"
              aria-hidden="true"
              style={{ transform: `translateY(${layout.top(start) - sizes.heading}px)` }}
            >
              {format.day(date, now)}
            </div>
          ))}
        {shown.map((index) => {
          const edge = edges[index];
          return (
            edge && (
              <Row
                key={edge.node.seq}
                line={edge.node}
                top={layout.top(index)}
                position={index + 1}
                now={now}
                exact={exact}
                open={open.has(edge.node.seq)}
                fresh={feed?.fresh.has(edge.node.seq) ?? false}
                roving={roving === edge.node.seq}
                onToggle={toggle}
                onHeight={measured}
                onFocus={setCurrent}
              />
            )
          );
        })}
      </div>
      {tip.view}
      <Foot />
    </section>
  );
}

function Fresh({ toTop }: { toTop: () => void }): JSX.Element | null {
  const { model } = useShared();
  const feed = model.feed;
  if (!feed) return null;
  const count = feed.pending.length;
  if (feed.hasNewer) {
    return (
      <div class="newer">
        <button
          type="button"
          class="plain"
          disabled={feed.loading !== null}
          onClick={() => void feed.loadNewer()}
        >
          {strings.feed.newer}
        </button>
        <button type="button" class="plain" onClick={() => void model.showNewest().then(toTop)}>
          <span aria-hidden="true">↑</span>{' '}
          {count > 0 ? strings.feed.showFresh(count) : strings.feed.toNewest}
        </button>
      </div>
    );
  }
  if (count === 0) return null;
  return (
    <div class="pill-place">
      <button
        type="button"
        class="pill"
        aria-label={strings.feed.showFresh(count)}
        onClick={() => {
          toTop();
          void model.showNewest();
        }}
      >
        <span aria-hidden="true">↑</span> {strings.feed.fresh(count)}
      </button>
    </div>
  );
}

function Foot(): JSX.Element | null {
  const { model } = useShared();
  const { feed } = model;
  if (!feed || feed.loading === 'first') return null;
  if (feed.error) {
    return (
      <p class="foot problem" role="alert">
        {strings.state.linesFailed.text}{' '}
        <button
          type="button"
          class="button"
          onClick={() => void (feed.edges.length > 0 ? feed.loadOlder() : feed.reload())}
        >
          {strings.state.linesFailed.action}
        </button>
      </p>
    );
  }
  if (feed.hasOlder) return <p class="foot">{strings.feed.older}</p>;
  return feed.edges.length > 0 ? <p class="foot">{strings.feed.end}</p> : null;
}
