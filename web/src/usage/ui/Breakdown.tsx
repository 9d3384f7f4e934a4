/** What came back and why, and where the credits went: each row shows its lines. */
import type { ComponentChildren, JSX } from 'preact';
import { strings } from '../text/strings';
import { useShared } from './context';

const ROWS_MAX = 4;

export function Breakdown(): JSX.Element {
  const { model, format } = useShared();
  const { details, totals } = model.summary ?? {};
  if (!details) {
    return (
      <>
        <section class="card breakdown skeleton" aria-hidden="true" />
        <section class="card breakdown skeleton" aria-hidden="true" />
      </>
    );
  }
  const refunds = details.byReason
    .filter(({ kind }) => kind === 'REFUND')
    .sort((a, b) => b.amount - a.amount);
  const campaigns = [...details.byCampaign]
    .filter(({ charged }) => charged > 0)
    .sort((a, b) => b.charged - a.charged);
  return (
    <>
      <section class="card breakdown">
        <h2>{strings.breakdown.refunds}</h2>
        {refunds.length === 0 && <p class="nothing">{strings.breakdown.noRefunds}</p>}
        <ul>
          {refunds.slice(0, ROWS_MAX).map(({ reason, count, amount }) => (
            <Share
              key={reason.code}
              term="refunded"
              part={amount}
              whole={totals?.refunded ?? 0}
              note={strings.breakdown.count(count)}
              value={format.signed(amount)}
              onPick={() => model.setView({ kinds: ['REFUND'], reasonCode: reason.code })}
            >
              {reason.title}
            </Share>
          ))}
        </ul>
      </section>
      <section class="card breakdown">
        <h2>{strings.breakdown.campaigns}</h2>
        {campaigns.length === 0 && <p class="nothing">{strings.breakdown.nothingSpent}</p>}
        <ul>
          {campaigns.slice(0, ROWS_MAX).map(({ campaign, charged, refunded }) => (
            <Share
              key={campaign ?? ''}
              term="charged"
              part={charged}
              whole={totals?.charged ?? 0}
              note={refunded > 0 ? strings.breakdown.back(format.signed(refunded)) : ''}
              value={format.signed(-charged)}
              onPick={campaign === null ? null : () => model.setView({ campaign })}
            >
              {campaign ?? strings.breakdown.noCampaign}
            </Share>
          ))}
        </ul>
      </section>
    </>
  );
}

function Share(props: {
  term: string;
  part: number;
  whole: number;
  note: string;
  value: string;
  onPick: (() => void) | null;
  children: ComponentChildren;
}): JSX.Element {
  const width = `${props.whole > 0 ? Math.max(1, Math.min(100, (props.part / props.whole) * 100)) : 0}%`;
  return (
    <li>
      <button type="button" class="share" disabled={props.onPick === null} onClick={() => props.onPick?.()}>
        <span class="name">{props.children}</span>
        <span class="value">
          {props.value} <span class="note">{props.note}</span>
        </span>
        <span class="track">
          <span class={`fill ${props.term}`} style={{ width }} />
        </span>
      </button>
    </li>
  );
}
