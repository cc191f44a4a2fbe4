import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { MessageId, RecipientProgress, Time, Timeline } from '../../protocol';
import type { Conversation } from '../../state/model';
import { absoluteTime } from '../../text/format';
import { useClient } from '../context';
import { Button } from '../widgets/button';
import { Dialog } from '../widgets/dialog';
import { Tick, type TickState } from '../widgets/tick';
import { useLocale, useWords } from '../words';
import { nameOf } from './names';
import { RetryNote } from './retry-note';
import { useKnown } from './use-known';

/** The message that details are told of. */
export interface InfoSubject {
  readonly text: string;
  readonly at: Time;
  /** What the server knows of it: own messages that were stored. */
  readonly messageId: MessageId | null;
  /** Own messages have a state. */
  readonly state: TickState | null;
  /** Why it was refused. */
  readonly problem: string | null;
}

interface InfoDialogProps {
  conversation: Conversation;
  subject: InfoSubject;
  onClose(): void;
}

/** Everything about the way of one message: its times, and the attempts to reach those who are away. */
export function InfoDialog({ conversation, subject, onClose }: InfoDialogProps): JSX.Element {
  const words = useWords().conversation;
  const { messageId, state, at, text, problem } = subject;
  return (
    <Dialog title={words.infoTitle} onClose={onClose}>
      <p class="info-text" dir="auto">
        {text}
      </p>
      {messageId !== null ? (
        <Way conversation={conversation} messageId={messageId} state={state} />
      ) : (
        <dl class="info-steps">
          <Step name={state === null ? words.receivedAt : words.written} time={at} />
          {state === 'queued' && <p class="info-note">{words.waitsHere}</p>}
          {problem !== null && <p class="info-note is-bad">{problem}</p>}
        </dl>
      )}
    </Dialog>
  );
}

type WayProps = Pick<InfoDialogProps, 'conversation'> & {
  messageId: MessageId;
  state: TickState | null;
};

function Way({ conversation, messageId, state }: WayProps): JSX.Element {
  const client = useClient();
  const words = useWords();
  const [timeline, setTimeline] = useState<Timeline | 'failed' | null>(null);
  const [turn, setTurn] = useState(0);
  const retries = useKnown(known => known.retries.get(conversation.id));

  // Read again whenever something happened to the message.
  useEffect(() => {
    let isCurrent = true;
    client.timeline(messageId).then(
      read => isCurrent && setTimeline(read),
      () => isCurrent && setTimeline(known => known ?? 'failed'),
    );
    return () => {
      isCurrent = false;
    };
  }, [client, messageId, state, retries, turn]);

  if (timeline === null) return <p class="info-note">{words.common.loading}</p>;
  if (timeline === 'failed') {
    return (
      <div class="info-note">
        <p>{words.conversation.infoNotLoaded}</p>
        <Button
          onClick={() => {
            setTimeline(null);
            setTurn(turn + 1);
          }}
        >
          {words.common.tryAgain}
        </Button>
      </div>
    );
  }
  return (
    <>
      <dl class="info-steps">
        <Step name={words.conversation.acceptedAt} time={timeline.accepted_at} />
        <Step name={words.conversation.stored} time={timeline.stored_at} tick="sent" />
      </dl>
      {timeline.recipients.map(progress => (
        <Recipient key={progress.user} conversation={conversation} progress={progress} messageId={messageId} />
      ))}
    </>
  );
}

type RecipientProps = Pick<InfoDialogProps, 'conversation'> & {
  progress: RecipientProgress;
  messageId: MessageId;
};

function Recipient({ conversation, progress, messageId }: RecipientProps): JSX.Element {
  const words = useWords().conversation;
  const isAway = progress.status === 'retrying' || progress.status === 'failed';
  const name = nameOf(conversation, progress.user);
  return (
    <section class="info-recipient">
      {conversation.kind === 'group' && <h3 dir="auto">{name}</h3>}
      <dl class="info-steps">
        {progress.attempts.map(attempt => (
          <Step
            key={`${attempt.attempt} ${attempt.at}`}
            name={words.attempt(attempt.attempt)}
            time={attempt.at}
            note={attempt.outcome === 'failed' ? words.attemptFailed : words.attemptRetrying}
          />
        ))}
        <Step
          name={words.delivered}
          time={progress.delivered_at}
          isDone={progress.status === 'delivered' || progress.status === 'read'}
          tick="delivered"
        />
        <Step name={words.read} time={progress.read_at} isDone={progress.status === 'read'} tick="read" />
      </dl>
      {isAway && (
        <RetryNote
          name={name}
          messageId={messageId}
          retry={{
            status: progress.status === 'failed' ? 'failed' : 'retrying',
            upToSeq: 0,
            retryCount: progress.retry_count,
            maxRetries: progress.max_retries,
            nextRetryAt: progress.next_retry_at,
            reason: progress.reason,
          }}
        />
      )}
    </section>
  );
}

interface StepProps {
  name: string;
  time: Time | null;
  /** It happened, though its time is not known. */
  isDone?: boolean;
  tick?: TickState;
  note?: ComponentChildren;
}

function Step({ name, time, isDone = time !== null, tick, note }: StepProps): JSX.Element {
  const words = useWords().conversation;
  const locale = useLocale();
  return (
    <div class={isDone ? 'info-step' : 'info-step is-open'}>
      <dt>
        <span class="info-mark" aria-hidden="true">
          {tick && isDone && <Tick state={tick} />}
        </span>
        {name}
      </dt>
      <dd>
        {time !== null ? (
          <time dateTime={time}>{absoluteTime(time, locale)}</time>
        ) : isDone ? (
          words.timeUnknown
        ) : (
          words.notYet
        )}
        {note && <span class="info-aside">{note}</span>}
      </dd>
    </div>
  );
}
