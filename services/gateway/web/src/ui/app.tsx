import type { ReadonlySignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { SessionState } from '../app/session';
import type { User } from '../protocol';
import { AccountPage } from './account/account-page';
import { ClientContext } from './context';
import { LIST, navigate } from './router';
import { Layout } from './shell/layout';
import { Announcer } from './widgets/announcer';
import { ToastRegion } from './widgets/toasts';

interface AppProps {
  session: ReadonlySignal<SessionState>;
  onSignedIn(user: User): Promise<void>;
}

/** Everything on the page. While it is not known who is signed in it is nothing: the page shows its splash. */
export function App({ session, onSignedIn }: AppProps): JSX.Element | null {
  const at = session.value;
  const wasSignedIn = useRef(false);
  useEffect(() => {
    if (at.kind === 'signed-in') wasSignedIn.current = true;
    if (at.kind !== 'signed-out') return;
    // Whoever signed out leaves nothing behind in the address; whoever has to sign in comes to the page they wanted.
    if (wasSignedIn.current && at.reason === 'none') navigate(LIST, { replaces: true });
    wasSignedIn.current = false;
  }, [at]);
  if (at.kind === 'starting') return null;
  return (
    <>
      {at.kind === 'signed-out' ? (
        <AccountPage reason={at.reason} onSignedIn={onSignedIn} />
      ) : (
        <ClientContext.Provider key={at.client} value={at.client}>
          <Layout />
        </ClientContext.Provider>
      )}
      <ToastRegion />
      <Announcer />
    </>
  );
}
