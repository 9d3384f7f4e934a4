/** @jsxImportSource react */
/** A React 19 host: the view lives in the host's state, the token comes from the host's session. */
import { useState, type JSX } from 'react';
import { createRoot } from 'react-dom/client';
import { UsageFeed, type View } from '../../src/react';

async function refreshToken(): Promise<string | null> {
  const response = await fetch('/session/usage-token', { method: 'POST' });
  return response.ok ? response.text() : null;
}

const REFUNDS: View = {
  period: { preset: '30-days' },
  zone: 'utc',
  kinds: ['REFUND'],
  campaign: null,
  reasonCode: null,
  search: '',
};

function Host(): JSX.Element {
  const [view, setView] = useState<View>();
  const [signedOut, setSignedOut] = useState(false);
  return (
    <main>
      <h1>Our product</h1>
      <p>{signedOut ? 'Please sign in.' : `Kinds shown: ${view?.kinds.join(', ') || 'all'}`}</p>
      <button type="button" onClick={() => setView(REFUNDS)}>
        What came back?
      </button>
      <UsageFeed
        refreshToken={refreshToken}
        {...(view && { view })}
        onViewChange={setView}
        onSignedOut={() => setSignedOut(true)}
      />
    </main>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');
createRoot(root).render(<Host />);
