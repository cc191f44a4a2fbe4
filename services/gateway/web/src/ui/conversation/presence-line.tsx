import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Catalogue } from '../../i18n/en';
import type { Time } from '../../protocol';
import type { Conversation } from '../../state/model';
import { lastSeen } from '../../text/format';
import { useLocale, useWords } from '../words';
import { typingText } from './typing';
import { useKnown } from './use-known';

const MINUTE_MS = 60_000;

/** Under a conversation's title: who types, whether the peer is there or when they were, how many members there are. */
export function PresenceLine({ conversation }: { conversation: Conversation }): JSX.Element | null {
  const words = useWords();
  const locale = useLocale();
  const now = useMinute();
  const isTyping = useKnown(state => typingText(words.conversation, state, conversation) !== '');
  const seen = useKnown(({ presence }) => (conversation.peer === null ? undefined : presence.get(conversation.peer)));
  if (isTyping) {
    return <p class="conversation-presence is-typing">{words.conversation.typingShort}</p>;
  }
  if (conversation.kind === 'group') {
    return <p class="conversation-presence">{words.conversation.members(conversation.members.size)}</p>;
  }
  if (!seen || (seen.status === 'offline' && seen.lastSeen === null)) return null;
  if (seen.status !== 'offline')
    return <p class={`conversation-presence is-${seen.status}`}>{words.presence[seen.status]}</p>;
  return <p class="conversation-presence">{lastSeenText(words, seen.lastSeen ?? '', now, locale)}</p>;
}

function lastSeenText(words: Catalogue, time: Time, now: Date, locale: string): string {
  const say = words.conversation.lastSeen;
  const seen = lastSeen(time, now, locale);
  switch (seen.kind) {
    case 'just-now':
      return say.justNow;
    case 'minutes':
      return say.minutes(seen.minutes);
    case 'today':
      return say.today(seen.clock);
    case 'yesterday':
      return say.yesterday(seen.clock);
    case 'weekday':
      return say.weekday(seen.weekday, seen.clock);
    case 'date':
      return say.date(seen.date);
  }
}

/** Now, anew every minute. */
function useMinute(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), MINUTE_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
