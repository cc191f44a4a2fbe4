import './ui/styles/index.css';
import { render } from 'preact';
import { bootSession, session, signedIn } from './app/session';
import { App } from './ui/app';
import { applyPreferences } from './ui/preferences';
import { startRouter } from './ui/router';

startRouter();
void bootSession();
await applyPreferences();
const root = document.getElementById('app');
if (root) render(<App session={session} onSignedIn={signedIn} />, root);
