import { render } from 'preact';
import { installServiceWorker } from './install';

const root = document.getElementById('app');
if (root) render(<h1>Parley</h1>, root);
installServiceWorker(() => undefined);
