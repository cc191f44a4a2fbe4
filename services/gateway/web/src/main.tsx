import './ui/styles/index.css';
import { render } from 'preact';
import { bootSession, session, signedIn } from './app/session';
import { App } from './ui/app';
import { applyPreferences } from './ui/preferences';
import { startRouter } from './ui/router';

startRouter();
void bootSession();
// Not awaited here: a language in a file of its own imports from this one, which would then never have run to its end.
void applyPreferences().then(() => {
  const root = document.getElementById('app');
  if (root) render(<App session={session} onSignedIn={signedIn} />, root);
});
