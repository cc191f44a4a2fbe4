import type { JSX } from 'preact';
import { LANGUAGES, type Language } from '../../i18n/language';
import { type Choice, countsUnread, enterSends, languageChoice, type Theme, theme } from '../preferences';
import { Choices } from '../widgets/choices';
import { Switch } from '../widgets/switch';
import { useWords } from '../words';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

/** How the client looks and takes keys in this browser. */
export function AppearanceSettings(): JSX.Element {
  const words = useWords().settings;
  const languages = Object.entries(LANGUAGES) as [Language, string][];
  return (
    <>
      <Choices
        legend={words.theme}
        options={THEMES.map(value => [value, words.themes[value]])}
        chosen={theme.value}
        onChoose={value => {
          theme.value = value;
        }}
      />
      <Choices<Language | 'system'>
        legend={words.language}
        options={[['system', words.languageSystem], ...languages]}
        chosen={languageChoice.value}
        onChoose={value => {
          languageChoice.value = value;
        }}
      />
      <Switch
        label={words.enter}
        hint={words.enterText}
        isOn={enterSends.value === 'yes'}
        onChange={isOn => {
          enterSends.value = choice(isOn);
        }}
      />
      <Switch
        label={words.counts}
        hint={words.countsText}
        isOn={countsUnread.value === 'yes'}
        onChange={isOn => {
          countsUnread.value = choice(isOn);
        }}
      />
    </>
  );
}

function choice(isOn: boolean): Choice {
  return isOn ? 'yes' : 'no';
}
