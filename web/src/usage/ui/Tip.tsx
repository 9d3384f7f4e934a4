/** The reason of the row under the pointer or the focus, in the top layer so that nothing clips it. */
import type { HTMLAttributes, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { findSeq, type Line } from '../data/lines';
import { kindOf } from '../data/view';
import { strings } from '../text/strings';
import { useShared } from './context';

const DELAY_MS = 250;
const TIP_ID = 'reason-tip';

/** A tooltip for the rows of one list: put `handlers` on the list and `view` beside it. */
export function useTip(): { handlers: HTMLAttributes<HTMLDivElement>; view: JSX.Element | null } {
  const { model } = useShared();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const show = (element: HTMLElement | null, delay_ms: number): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAnchor(element), delay_ms);
  };
  const rowOf = (event: Event): HTMLElement | null => (event.target as Element).closest<HTMLElement>('.line');
  useEffect(() => {
    if (!anchor) return undefined;
    anchor.setAttribute('aria-describedby', TIP_ID);
    const hide = (): void => show(null, 0);
    document.addEventListener('scroll', hide, { capture: true, passive: true });
    return () => {
      anchor.removeAttribute('aria-describedby');
      document.removeEventListener('scroll', hide, { capture: true });
    };
  }, [anchor]);
  const seq = Number(anchor?.parentElement?.dataset['seq'] ?? Number.NaN);
  const line = findSeq(model.feed?.edges ?? [], seq)?.node;
  const opened = anchor?.getAttribute('aria-expanded') === 'true';
  return {
    handlers: {
      onPointerOver: (event) => event.pointerType === 'mouse' && show(rowOf(event), DELAY_MS),
      onPointerLeave: () => show(null, DELAY_MS),
      onFocusIn: (event) => rowOf(event)?.matches(':focus-visible') && show(rowOf(event), 0),
      onFocusOut: () => show(null, 0),
      onClick: () => show(null, 0),
      onKeyDown: (event) => event.key === 'Escape' && show(null, 0),
    },
    view:
      anchor && line && !opened ? (
        <Tip
          anchor={anchor}
          line={line}
          onEnter={() => show(anchor, 0)}
          onLeave={() => show(null, DELAY_MS)}
        />
      ) : null,
  };
}

function Tip(props: {
  anchor: HTMLElement;
  line: Line;
  onEnter: () => void;
  onLeave: () => void;
}): JSX.Element {
  const { anchor, line } = props;
  const { format } = useShared();
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (!element.matches(':popover-open')) element.showPopover();
    const row = anchor.getBoundingClientRect();
    const what = anchor.querySelector('.under')?.getBoundingClientRect() ?? row;
    const { width, height } = element.getBoundingClientRect();
    const below = row.bottom - 4 + height < window.innerHeight;
    element.style.left = `${Math.max(8, Math.min(what.left, window.innerWidth - width - 8))}px`;
    element.style.top = `${below ? row.bottom - 4 : row.top - height + 4}px`;
  }, [anchor, line]);
  const fault = strings.fault[line.reason.fault];
  const decision =
    line.job?.status === 'SUCCEEDED' || line.__typename !== 'Charge' ? null : line.job?.refundDecision;
  return (
    <div
      ref={box}
      id={TIP_ID}
      class={`tip ${kindOf(line)}`}
      role="tooltip"
      popover="manual"
      onPointerEnter={props.onEnter}
      onPointerLeave={props.onLeave}
    >
      <strong>{line.reason.title}</strong>
      {fault && <span class="badge">{fault}</span>}
      {line.reason.detail && <p>{line.reason.detail}</p>}
      {line.__typename === 'Charge' && line.refunded > 0 && (
        <p class="back">{strings.feed.refundedOf(format.plain(line.refunded), format.plain(-line.amount))}</p>
      )}
      {decision && decision.refunded === 0 && <p>{strings.detail.declined(decision.reason.title)}</p>}
      {line.__typename === 'Refund' && line.automatic && <p>{strings.detail.automatic(line.rule ?? '')}</p>}
      {line.__typename === 'Adjustment' && <p>{line.note}</p>}
    </div>
  );
}
