/** Everything there is to know about one line: why, for what, when, and where to point others to. */
import type { ComponentChildren, JSX } from 'preact';
import type { Line } from '../data/lines';
import { humanize } from '../text/format';
import { strings } from '../text/strings';
import { useShared } from './context';
import { Icon } from './icons';

const { detail } = strings;
/** Booked and happened are told apart from this difference on. */
const APART_MS = 1_000;

export function Detail({ line, id }: { line: Line; id: string }): JSX.Element {
  const { format, linkTo } = useShared();
  const booked = Date.parse(line.recordedAt);
  const occurred = Date.parse(line.occurredAt);
  return (
    <div class="detail" id={id}>
      <dl>
        <Fact name={detail.reason} wide>
          <strong>{line.reason.title}</strong>
          {strings.fault[line.reason.fault] && <span class="badge">{strings.fault[line.reason.fault]}</span>}
          {line.reason.detail && <p>{line.reason.detail}</p>}
        </Fact>
        <Own line={line} />
        {line.job && <JobFacts job={line.job} known={line.reason.detail} />}
        {line.campaign && <Fact name={detail.campaign}>{line.campaign}</Fact>}
        <Fact name={detail.booked}>
          <time dateTime={line.recordedAt}>{format.exact(booked)}</time>
        </Fact>
        {Math.abs(booked - occurred) >= APART_MS && (
          <Fact name={detail.occurred}>
            <time dateTime={line.occurredAt}>{format.exact(occurred)}</time>
          </Fact>
        )}
        <Fact name={detail.line}>{detail.number(line.seq)}</Fact>
        <Fact name={detail.id} wide>
          <Copyable text={line.id} name={detail.id} />
        </Fact>
      </dl>
      <CopyButton text={linkTo(line.id)} name={detail.link} class="button">
        <Icon name="link" size={14} /> {detail.link}
      </CopyButton>
    </div>
  );
}

function Fact({
  name,
  wide,
  children,
}: {
  name: string;
  wide?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class={wide ? 'fact wide' : 'fact'}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What only a line of this kind has to say. */
function Own({ line }: { line: Line }): JSX.Element | null {
  const { format } = useShared();
  switch (line.__typename) {
    case 'Charge':
      return (
        <Fact name={detail.gotBack}>
          {line.refunded === 0 ? (
            detail.nothingBack
          ) : (
            <>
              {strings.feed.refundedOf(format.plain(line.refunded), format.plain(-line.amount))},{' '}
              {detail.net(format.signed(line.net))}
              <span class="track" aria-hidden="true">
                <span class="fill refunded" style={{ width: `${(line.refunded / -line.amount) * 100}%` }} />
              </span>
            </>
          )}
        </Fact>
      );
    case 'Refund':
      return (
        <>
          <Fact name={detail.charge}>
            <GoTo entry={line.charge} /> {format.signed(line.charge.amount)}
            <p>
              {strings.feed.refundedOf(format.plain(line.charge.refunded), format.plain(-line.charge.amount))}
            </p>
          </Fact>
          <Fact name={detail.refund}>
            {line.automatic ? detail.automatic(line.rule ?? '') : detail.byHand}
          </Fact>
        </>
      );
    case 'Adjustment':
      return (
        <>
          <Fact name={detail.note}>{line.note}</Fact>
          <Fact name={detail.author}>{line.author}</Fact>
          {line.corrects && (
            <Fact name={detail.corrects}>
              <GoTo entry={line.corrects} />
            </Fact>
          )}
        </>
      );
    case 'Grant':
      return null;
  }
}

/** `known`: the line's own words, which its job's decision would only repeat. */
function JobFacts({ job, known }: { job: NonNullable<Line['job']>; known: string | null }): JSX.Element {
  const { format } = useShared();
  const decision = job.refundDecision;
  return (
    <>
      <Fact name={detail.job}>
        {humanize(job.operation)} <Copyable text={job.key} name={detail.job} />
      </Fact>
      <Fact name={detail.outcome}>
        <span class={`outcome ${job.status}`}>{strings.job[job.status]}</span>
      </Fact>
      <Fact name={detail.decision} wide>
        {decision === null
          ? detail.undecided
          : decision.refunded > 0
            ? detail.decided(format.plain(decision.refunded), decision.reason.title)
            : detail.declined(decision.reason.title)}
        {decision && (
          <p>
            {decision.reason.detail !== known && decision.reason.detail} {detail.rule(decision.rule)}
          </p>
        )}
      </Fact>
    </>
  );
}

function GoTo({ entry }: { entry: { id: string; seq: number } }): JSX.Element {
  const { model } = useShared();
  return (
    <button
      type="button"
      class="plain"
      aria-label={detail.open(entry.seq)}
      onClick={() => void model.openEntry(entry.id)}
    >
      {detail.number(entry.seq)}
    </button>
  );
}

function Copyable({ text, name }: { text: string; name: string }): JSX.Element {
  return (
    <span class="copyable">
      <code>{text}</code>
      <CopyButton text={text} name={detail.copyNamed(name)} class="plain">
        <Icon name="copy" size={14} />
      </CopyButton>
    </span>
  );
}

function CopyButton(props: {
  text: string;
  name: string;
  class: string;
  children: ComponentChildren;
}): JSX.Element {
  const { say } = useShared();
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(props.text);
    say(detail.copied);
  };
  return (
    <button
      type="button"
      class={props.class}
      aria-label={props.name}
      title={props.name}
      onClick={() => void copy().catch(() => say(props.text))}
    >
      {props.children}
    </button>
  );
}
