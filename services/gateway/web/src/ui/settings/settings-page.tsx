import type { FunctionComponent, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { goUp, leaveSettings, pathOf, type Section, SECTIONS } from '../router';
import { isNarrow } from '../screen';
import { openDialog } from '../shell/shortcuts';
import { IconButton } from '../widgets/button';
import { Icon } from '../widgets/icon';
import type { IconName } from '../widgets/icons';
import { useWords } from '../words';
import { AppearanceSettings } from './appearance';
import { PasswordSettings } from './password';
import { PrivacySettings } from './privacy';
import { ProfileSettings } from './profile';
import { SessionsSettings } from './sessions';
import { SignOut } from './sign-out';

const PAGES: Readonly<Record<Section, readonly [IconName, FunctionComponent]>> = {
  profile: ['user', ProfileSettings],
  privacy: ['shield', PrivacySettings],
  appearance: ['palette', AppearanceSettings],
  password: ['lock', PasswordSettings],
  sessions: ['devices', SessionsSettings],
};

/** The settings: their sections beside one of them, or one or the other where there is no room for both. */
export function SettingsPage({ section }: { section: Section | null }): JSX.Element {
  const words = useWords();
  const isOnePane = isNarrow.value;
  const shown = section ?? (isOnePane ? null : 'profile');
  const Page = shown && PAGES[shown][1];
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The page came later than the focus that was meant for it.
    if (document.activeElement?.id === 'main') heading.current?.focus();
  }, []);
  return (
    <div class="settings">
      <header class="settings-head">
        <IconButton
          icon={isOnePane ? 'back' : 'close'}
          label={isOnePane ? words.common.back : words.settings.closeSettings}
          onClick={isOnePane ? goUp : leaveSettings}
        />
        <h1 ref={heading} tabIndex={-1}>
          {words.settings.title}
        </h1>
      </header>
      <div class="settings-body">
        {!(isOnePane && shown) && <Sections shown={shown} />}
        {shown && Page && (
          <section key={shown} class="settings-section" aria-label={words.settings.sections[shown]}>
            <h2>{words.settings.sections[shown]}</h2>
            <Page />
          </section>
        )}
      </div>
    </div>
  );
}

function Sections({ shown }: { shown: Section | null }): JSX.Element {
  const words = useWords();
  return (
    <nav class="settings-nav" aria-label={words.settings.title}>
      <ul>
        {SECTIONS.map(section => (
          <li key={section}>
            <a
              class="settings-link"
              href={pathOf({ page: 'settings', section })}
              {...(section === shown ? { 'aria-current': 'page' as const } : {})}
            >
              <Icon name={PAGES[section][0]} />
              <span>
                {words.settings.sections[section]}
                <small>{words.settings.sectionsText[section]}</small>
              </span>
            </a>
          </li>
        ))}
        <li>
          <button
            type="button"
            class="settings-link"
            onClick={() => {
              openDialog.value = 'help';
            }}
          >
            <Icon name="help" />
            <span>{words.help.title}</span>
          </button>
        </li>
        <li>
          <SignOut />
        </li>
      </ul>
    </nav>
  );
}
