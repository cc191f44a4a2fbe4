import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Conversation, NoConversation } from '../conversation/conversation';
import { useClient } from '../context';
import { SidePane } from '../list/side-pane';
import { isNarrow } from '../screen';
import { route } from '../router';
import { later } from '../widgets/later';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';
import { Banner } from './banner';
import { useFocusOnPages } from './focus';
import { openDialog, useShortcuts } from './shortcuts';
import { useTitle } from './title';

const SettingsPage = later(async () => (await import('../settings/settings-page')).SettingsPage);
const Switcher = later(async () => (await import('./switcher')).Switcher);
const Help = later(async () => (await import('./help')).Help);

/** The client of a signed-in user: the list beside a page, or one of them where there is no room for both. */
export function Layout(): JSX.Element {
  const words = useWords();
  const at = route.value;
  const isOnList = at.page === 'list';
  useOpenConversation();
  useTitle();
  useShortcuts();
  useFocusOnPages();
  useUpdateToast();
  const closeDialog = (): void => {
    openDialog.value = null;
  };
  return (
    <div class="layout" data-page={at.page}>
      {!isOnList && (
        <a class="skip-link" href="#main" onClick={skipToMain}>
          {words.common.skipToConversation}
        </a>
      )}
      <Banner />
      <div class="panes">
        {/* Alone, the list is what the page is about. */}
        <div
          class="pane-side"
          inert={isNarrow.value && !isOnList}
          {...(isNarrow.value && isOnList ? { role: 'main' as const } : {})}
        >
          <SidePane />
        </div>
        <main id="main" class="pane-main" tabIndex={-1} inert={isNarrow.value && isOnList}>
          {at.page === 'conversation' && <Conversation key={at.id} id={at.id} />}
          {at.page === 'settings' && <SettingsPage section={at.section} />}
          {isOnList && <NoConversation />}
        </main>
      </div>
      {openDialog.value === 'switcher' && <Switcher onClose={closeDialog} />}
      {openDialog.value === 'help' && <Help onClose={closeDialog} />}
    </div>
  );
}

/** The client reads the conversation whose page is shown. */
function useOpenConversation(): void {
  const client = useClient();
  const at = route.value;
  const id = at.page === 'conversation' ? at.id : null;
  useEffect(() => {
    if (id === null) client.close();
    else void client.open(id);
  }, [client, id]);
}

function useUpdateToast(): void {
  const client = useClient();
  const words = useWords().connection;
  const update = client.update.value;
  useEffect(() => {
    if (!update) return;
    return showToast(words.updateReady, { isSticky: true, action: { label: words.reload, run: update } });
  }, [update, words]);
}

/** To where one writes, else to the page's beginning. */
function skipToMain(event: MouseEvent): void {
  event.preventDefault();
  const main = document.getElementById('main');
  (main?.querySelector<HTMLElement>('textarea') ?? main)?.focus();
}
