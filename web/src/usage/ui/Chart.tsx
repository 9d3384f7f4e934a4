/** Credits per day: what came in stands above the line, what was spent hangs below it. */
import type { JSX, SVGAttributes } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Day } from '../data/summary';
import { strings } from '../text/strings';
import { datesBetween } from '../text/zones';
import { useShared } from './context';

const HEIGHT = 172;
const AXIS = 20;
const GUTTER = 44;

interface Bar {
  readonly date: string;
  readonly up: readonly [string, number][];
  readonly down: readonly [string, number][];
}

const sum = (parts: readonly [string, number][]): number =>
  parts.reduce((total, [, amount]) => total + amount, 0);

function barOf(date: string, day: Day | undefined): Bar {
  const { granted = 0, charged = 0, refunded = 0, adjusted = 0 } = day ?? {};
  return {
    date,
    up: [
      ['refunded', refunded],
      ['adjusted', Math.max(0, adjusted)],
      ['granted', granted],
    ],
    down: [
      ['charged', charged],
      ['adjusted', Math.max(0, -adjusted)],
    ],
  };
}

/**
 * The most that is drawn above and below the line. A grant may be hundreds of days' usage: it is cut
 * rather than flattening everything else.
 */
function extents(bars: readonly Bar[]): { up: number; down: number } {
  const down = Math.max(0, ...bars.map((bar) => sum(bar.down)));
  const back = Math.max(0, ...bars.map((bar) => sum(bar.up.slice(0, 2))));
  const up = Math.max(0, ...bars.map((bar) => sum(bar.up)));
  return { up: Math.min(up, Math.max(back * 1.15, down * 0.7) || up), down };
}

export function Chart(): JSX.Element {
  const { model } = useShared();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const { totals, range } = model.summary ?? {};
  const bars = useMemo(() => {
    const days = new Map(totals?.byDay.map((day) => [day.date, day]));
    return range ? datesBetween(range.first, range.last).map((date) => barOf(date, days.get(date))) : [];
  }, [totals, range]);
  return (
    <section class="card chart" aria-label={strings.chart.title}>
      <div class="heading">
        <h2>{strings.chart.title}</h2>
        <Legend />
      </div>
      <div class="plot" ref={box}>
        {totals ? width > 0 && <Plot bars={bars} width={width} /> : <div class="skeleton plot-skeleton" />}
        {totals?.byDay.length === 0 && <p class="nothing">{strings.chart.nothing}</p>}
      </div>
      {totals && <Table days={totals.byDay} />}
    </section>
  );
}

function Legend(): JSX.Element {
  return (
    <ul class="legend" aria-hidden="true">
      {(['charged', 'refunded', 'granted', 'adjusted'] as const).map((term) => (
        <li key={term}>
          <i class={`swatch ${term}`} />
          {strings.strip[term]}
        </li>
      ))}
    </ul>
  );
}

function Plot({ bars, width }: { bars: readonly Bar[]; width: number }): JSX.Element {
  const { format } = useShared();
  const [hover, setHover] = useState<number | null>(null);
  const most = useMemo(() => extents(bars), [bars]);
  const step = (width - GUTTER) / Math.max(1, bars.length);
  const room = HEIGHT - AXIS - 8;
  const perCredit = room / Math.max(1, most.up + most.down);
  const zero = 4 + most.up * perCredit;
  const brush = useBrush(bars, step);
  const every = Math.ceil(64 / step);
  return (
    <>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={strings.chart.summary(bars.length)}
        onPointerLeave={() => setHover(null)}
        onPointerMove={(event) => setHover(brush.indexAt(event))}
        {...brush.handlers}
      >
        {brush.span && (
          <rect
            class="brush"
            x={GUTTER + brush.span[0] * step}
            y={0}
            width={(brush.span[1] - brush.span[0] + 1) * step}
            height={HEIGHT - AXIS}
          />
        )}
        <line class="axis" x1={GUTTER} x2={width} y1={zero} y2={zero} />
        {most.up > 0 && (
          <text class="tick" x={GUTTER - 8} y={12} text-anchor="end">{`+${format.compact(most.up)}`}</text>
        )}
        {most.down > 0 && (
          <text
            class="tick"
            x={GUTTER - 8}
            y={HEIGHT - AXIS - 4}
            text-anchor="end"
          >{`\u2212${format.compact(most.down)}`}</text>
        )}
        {bars.map((bar, index) => (
          <g key={bar.date} class={hover === index ? 'bar hover' : 'bar'}>
            <rect class="hit" x={GUTTER + index * step} y={0} width={step} height={HEIGHT - AXIS} />
            <Stack
              parts={bar.up}
              x={GUTTER + index * step}
              step={step}
              perCredit={perCredit}
              from={zero - 1}
              direction={-1}
              cut={most.up}
            />
            <Stack
              parts={bar.down}
              x={GUTTER + index * step}
              step={step}
              perCredit={perCredit}
              from={zero + 1}
              direction={1}
              cut={most.down}
            />
            {index % every === 0 && (
              <text class="tick" x={GUTTER + (index + 0.5) * step} y={HEIGHT - 4} text-anchor="middle">
                {format.dayShort(bar.date)}
              </text>
            )}
          </g>
        ))}
      </svg>
      {hover !== null && bars[hover] && (
        <Reading bar={bars[hover]} left={GUTTER + (hover + 0.5) * step} width={width} />
      )}
    </>
  );
}

function Stack(props: {
  parts: readonly [string, number][];
  x: number;
  step: number;
  perCredit: number;
  from: number;
  direction: 1 | -1;
  cut: number;
}): JSX.Element {
  const { x, step, perCredit, from, direction, cut } = props;
  const inset = Math.min(3, step * 0.16);
  const wide = Math.min(28, Math.max(1, step - inset * 2));
  const left = x + (step - wide) / 2;
  let drawn = 0;
  let edge = from;
  return (
    <>
      {props.parts.map(([term, amount]) => {
        const shown = Math.min(amount, cut - drawn);
        if (shown <= 0) return null;
        drawn += shown;
        const height = Math.max(1.5, shown * perCredit - 0.5);
        const top = direction < 0 ? edge - height : edge;
        edge += direction * (height + 0.5);
        return (
          <rect
            key={term}
            class={`part ${term} ${shown < amount ? 'cut' : ''}`}
            x={left}
            y={top}
            width={wide}
            height={height}
            rx={Math.min(2, wide / 4)}
          />
        );
      })}
    </>
  );
}

function Reading({ bar, left, width }: { bar: Bar; left: number; width: number }): JSX.Element {
  const { format } = useShared();
  const parts = [...bar.up, ...bar.down.map(([term, amount]): [string, number] => [term, -amount])].filter(
    ([, amount]) => amount !== 0,
  );
  return (
    <div class="reading" style={{ left: `${Math.min(Math.max(left, 84), width - 84)}px` }}>
      <strong>{format.dayShort(bar.date)}</strong>
      {parts.length === 0 && <span>{'\u2013'}</span>}
      {parts.map(([term, amount]) => (
        <span key={term} class="pair">
          <i class={`swatch ${term}`} /> {strings.strip[term as 'granted']} <b>{format.signed(amount)}</b>
        </span>
      ))}
    </div>
  );
}

/** Click one day or drag over several. */
function useBrush(
  bars: readonly Bar[],
  step: number,
): {
  span: [number, number] | null;
  indexAt: (event: PointerEvent) => number;
  handlers: SVGAttributes<SVGSVGElement>;
} {
  const { model } = useShared();
  const [from, setFrom] = useState<number | null>(null);
  const [to, setTo] = useState(0);
  const indexAt = (event: PointerEvent): number => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return Math.max(0, Math.min(bars.length - 1, Math.floor((event.clientX - box.left - GUTTER) / step)));
  };
  const span: [number, number] | null = from === null ? null : [Math.min(from, to), Math.max(from, to)];
  return {
    span,
    indexAt,
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setFrom(indexAt(event));
        setTo(indexAt(event));
      },
      onPointerMoveCapture: (event) => {
        if (from !== null) setTo(indexAt(event));
      },
      onPointerCancel: () => setFrom(null),
      onPointerUp: () => {
        setFrom(null);
        const [first, last] = [bars[span?.[0] ?? -1]?.date, bars[span?.[1] ?? -1]?.date];
        if (first && last) model.setView({ period: { preset: 'custom', first, last } });
      },
    },
  };
}

function Table({ days }: { days: readonly Day[] }): JSX.Element {
  const { model, format } = useShared();
  const terms = ['granted', 'charged', 'refunded', 'adjusted'] as const;
  return (
    <details class="table">
      <summary>{strings.chart.table}</summary>
      <div class="scroller" tabIndex={0} role="region" aria-label={strings.chart.title}>
        <table>
          <thead>
            <tr>
              <th scope="col">{strings.chart.date}</th>
              {terms.map((term) => (
                <th scope="col" key={term}>
                  {strings.strip[term]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day.date}>
                <th scope="row">
                  <button
                    type="button"
                    class="plain"
                    aria-label={strings.chart.pick(format.dayShort(day.date))}
                    onClick={() =>
                      model.setView({ period: { preset: 'custom', first: day.date, last: day.date } })
                    }
                  >
                    {format.dayShort(day.date)}
                  </button>
                </th>
                {terms.map((term) => (
                  <td key={term}>
                    {term === 'charged' ? format.signed(-day[term]) : format.signed(day[term])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
