import type { JSX } from 'preact';
import type { Conversation } from '../../state/model';
import { goUp } from '../router';
import { Avatar } from '../widgets/avatar';
import { Button } from '../widgets/button';
import { useWords } from '../words';

/** Stands where a conversation would be, until one is chosen. */
export function NoConversation(): JSX.Element {
  const words = useWords().conversation;
  return (
    <section class="conversation conversation-nothing">
      <div class="nothing">
        <svg class="nothing-picture" viewBox="0 0 120 96" aria-hidden="true">
          <path d="M14 10h62a10 10 0 0 1 10 10v26a10 10 0 0 1-10 10H38L22 70V56h-8A10 10 0 0 1 4 46V20a10 10 0 0 1 10-10z" />
          <path d="M96 36h10a10 10 0 0 1 10 10v22a10 10 0 0 1-10 10h-6v12L86 78H60a10 10 0 0 1-9-6" />
          <path d="M24 28h42M24 40h28" />
        </svg>
        <h2>{words.noConversation}</h2>
        <p>{words.noConversationText}</p>
      </div>
    </section>
  );
}

/** A conversation in which nobody has said anything. */
export function SayHello({ conversation }: { conversation: Conversation }): JSX.Element {
  const words = useWords().conversation;
  return (
    <div class="nothing nothing-card">
      <Avatar username={conversation.peer ?? conversation.id} title={conversation.title} size={72} />
      <p>{words.noMessagesYet}</p>
      <p class="nothing-title" dir="auto">
        {words.sayHello(conversation.title)}
      </p>
    </div>
  );
}

/** The first page could not be read. */
export function NotLoaded({ problem, onRetry }: { problem: string; onRetry(): void }): JSX.Element {
  const words = useWords();
  return (
    <div class="nothing nothing-card" role="alert">
      <p class="nothing-title">{words.conversation.notLoaded}</p>
      <p dir="auto">{problem}</p>
      <Button kind="primary" icon="retry" onClick={onRetry}>
        {words.common.tryAgain}
      </Button>
    </div>
  );
}

/** The conversation does not exist, or is somebody else's. */
export function NotThere(): JSX.Element {
  const words = useWords();
  return (
    <section class="conversation conversation-nothing">
      <div class="nothing">
        <h1>{words.conversation.notThere}</h1>
        <p>{words.conversation.notThereText}</p>
        <Button icon="back" onClick={goUp}>
          {words.common.back}
        </Button>
      </div>
    </section>
  );
}

/** Where messages will be, while the first page is read. */
export function Placeholders(): JSX.Element {
  const words = useWords().conversation;
  return (
    <div class="placeholders" role="status" aria-label={words.loadingMessages}>
      <div class="placeholder placeholder-short" />
      <div class="placeholder placeholder-long" />
      <div class="placeholder placeholder-own" />
      <div class="placeholder placeholder-middle" />
      <div class="placeholder placeholder-own-long" />
      <div class="placeholder placeholder-long" />
      <div class="placeholder placeholder-short" />
      <div class="placeholder placeholder-own" />
    </div>
  );
}
