import type { JSX } from 'preact';
import type { Catalogue } from '../../i18n/en';
import { Dialog } from '../widgets/dialog';
import { useWords } from '../words';

type Keys = readonly (readonly [keys: readonly string[], text: keyof Catalogue['help']])[];

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const CTRL = IS_MAC ? '⌘' : 'Ctrl';
const ALT = IS_MAC ? '⌥' : 'Alt';

const EVERYWHERE: Keys = [
  [[CTRL, 'K'], 'switcher'],
  [[ALT, '↓'], 'nextConversation'],
  [[ALT, '↑'], 'previousConversation'],
  [['Esc'], 'escape'],
  [['?'], 'thisHelp'],
];
const IN_LIST: Keys = [
  [['↑', '↓'], 'move'],
  [['Enter'], 'openChat'],
  [['Shift', 'F10'], 'options'],
];
const IN_CONVERSATION: Keys = [
  [['Enter'], 'send'],
  [['Shift', 'Enter'], 'newLine'],
  [['↑', '↓'], 'moveMessages'],
  [['Shift', 'F10'], 'messageOptions'],
];

/** The keyboard shortcuts. */
export function Help({ onClose }: { onClose(): void }): JSX.Element {
  const words = useWords().help;
  return (
    <Dialog title={words.title} onClose={onClose} size="wide">
      <div class="help">
        <Group title={words.everywhere} keys={EVERYWHERE} />
        <Group title={words.inList} keys={IN_LIST} />
        <Group title={words.inConversation} keys={IN_CONVERSATION} />
      </div>
    </Dialog>
  );
}

function Group({ title, keys }: { title: string; keys: Keys }): JSX.Element {
  const words = useWords().help;
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {keys.map(([combination, text]) => (
          <div key={text} class="help-line">
            <dt>
              {combination.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{words[text]}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
