/** One line of the feed: a row that says what, when, how much and what was left, and opens to say why. */
import { Component, type JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Line } from '../data/lines';
import { kindOf } from '../data/view';
import { strings } from '../text/strings';
import { useShared } from './context';
import { Detail } from './Detail';
import { Icon } from './icons';
import { contextOf, titleOf } from './words';

interface RowProps {
  readonly line: Line;
  readonly top: number;
  readonly position: number;
  readonly now: number;
  readonly exact: boolean;
  readonly open: boolean;
  readonly fresh: boolean;
  /** The one row that Tab reaches. */
  readonly roving: boolean;
  readonly onToggle: (seq: number) => void;
  readonly onHeight: (seq: number, height: number) => void;
  readonly onFocus: (seq: number) => void;
}

/** Scrolling moves the window, not the rows: a row is drawn again only when something of it changed. */
export class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: Readonly<RowProps>): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render(): JSX.Element {
    return <Article {...this.props} />;
  }
}

function Article(props: RowProps): JSX.Element {
  const { line, open } = props;
  const { format } = useShared();
  const kind = kindOf(line);
  const detailId = `detail-${line.seq}`;
  return (
    <article
      class={`row ${kind} ${open ? 'open' : ''} ${props.fresh ? 'fresh' : ''}`}
      style={{ transform: `translateY(${props.top}px)` }}
      data-seq={line.seq}
      aria-posinset={props.position}
      aria-setsize={-1}
      aria-labelledby={`line-${line.seq}`}
    >
      <button
        type="button"
        id={`line-${line.seq}`}
        class="line"
        tabIndex={props.roving ? 0 : -1}
        aria-expanded={open}
        aria-controls={open ? detailId : undefined}
        onClick={() => props.onToggle(line.seq)}
        onFocus={() => props.onFocus(line.seq)}
      >
        <span class="mark">
          <Icon name={kind} />
        </span>
        <span class="what">
          <span class="title">{titleOf(line)}</span>
          <Under line={line} now={props.now} exact={props.exact} />
        </span>
        <When line={line} now={props.now} exact={props.exact} />
        <span class="amount">{format.signed(line.amount)}</span>
        <span class="unseen">{strings.feed.balanceAfter}</span>
        <span class="after">{format.plain(line.balanceAfter)}</span>
        <span class="turn">
          <Icon name="chevron" size={14} />
        </span>
      </button>
      {open && (
        <Measured onHeight={(height) => props.onHeight(line.seq, height)}>
          <Detail line={line} id={detailId} />
        </Measured>
      )}
    </article>
  );
}

function Under({ line, now, exact }: { line: Line; now: number; exact: boolean }): JSX.Element {
  const { format } = useShared();
  const context = contextOf(line);
  return (
    <span class="under">
      <span class="kind">{strings.kind[kindOf(line)]}</span>
      <When line={line} now={now} exact={exact} />
      {context && <span class="context">{context}</span>}
      {line.__typename === 'Charge' && line.refunded > 0 && (
        <span class="back">
          {strings.feed.refundedOf(format.plain(line.refunded), format.plain(-line.amount))}
        </span>
      )}
    </span>
  );
}

function When({ line, now, exact }: { line: Line; now: number; exact: boolean }): JSX.Element {
  const { format } = useShared();
  const booked = Date.parse(line.recordedAt);
  return (
    <time class="when" dateTime={line.recordedAt} title={format.exact(booked)}>
      {exact ? format.short(booked) : format.relative(booked, now)}
    </time>
  );
}

function Measured({
  onHeight,
  children,
}: {
  onHeight: (height: number) => void;
  children: JSX.Element;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const report = (): void => onHeight(Math.ceil(element.getBoundingClientRect().height));
    report();
    const observer = new ResizeObserver(report);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return <div ref={box}>{children}</div>;
}
