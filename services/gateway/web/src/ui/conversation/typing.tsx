import type { JSX } from 'preact';
import type { Catalogue } from '../../i18n/en';
import type { Conversation, State } from '../../state/model';
import { useWords } from '../words';
import { nameOf } from './names';
import { useKnown } from './use-known';

/** "Ben is typing"; empty where nobody does. */
export function typingText(words: Catalogue['conversation'], state: State, conversation: Conversation): string {
  const typists = [...(state.typing.get(conversation.id)?.keys() ?? [])].filter(user => user !== state.me.username);
  const [one, other] = typists.map(username => nameOf(conversation, username));
  if (one === undefined) return '';
  if (other === undefined) return words.typingOne(one);
  return typists.length === 2 ? words.typingTwo(one, other) : words.typingMany(typists.length);
}

/** Who types, under the last message. It always takes the same room. */
export function Typing({ conversation }: { conversation: Conversation }): JSX.Element {
  const words = useWords().conversation;
  const text = useKnown(state => typingText(words, state, conversation));
  return (
    <div class="typing" role="status">
      {text && (
        <>
          <span class="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span class="typing-text" dir="auto">
            {text}
          </span>
        </>
      )}
    </div>
  );
}
