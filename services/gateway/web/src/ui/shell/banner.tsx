import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useClient } from '../context';
import { useWords } from '../words';
import { type Notice, noticeOf } from './notice';

/** Says what is wrong with the connection once that has lasted, and what can be done. */
export function Banner(): JSX.Element {
  const client = useClient();
  const words = useWords().connection;
  const connection = client.connection.value;
  const waiting = client.outbox.value.filter(entry => entry.state === 'queued').length;
  const notice = client.isTroubled.value ? noticeOf(connection, waiting, client.isDurable, words) : null;
  return (
    // The countdown is outside of what is read out: it would be read every second.
    <div class={notice ? `banner banner-${notice.tone}` : 'banner-none'}>
      <p class="banner-text">
        <span role="status">
          {notice?.text}
          {notice?.detail && ` ${notice.detail}`}
        </span>{' '}
        {notice?.action === 'tryNow' && connection.state === 'connecting' && (
          <Countdown untilMs={connection.retryAtMs} />
        )}
      </p>
      {notice?.action && <Action action={notice.action} />}
    </div>
  );
}

function Countdown({ untilMs }: { untilMs: number }): JSX.Element | null {
  const words = useWords().connection;
  const [nowMs, setNow] = useState(Date.now);
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [untilMs]);
  const seconds = Math.ceil((untilMs - nowMs) / 1000);
  if (seconds <= 0) return null;
  return (
    <span class="banner-countdown" aria-hidden="true">
      {words.again(seconds)}
    </span>
  );
}

function Action({ action }: { action: NonNullable<Notice['action']> }): JSX.Element {
  const client = useClient();
  const words = useWords().connection;
  const run = (): void => {
    if (action !== 'reload') client.reconnect();
    else if (client.update.peek()) client.update.peek()?.();
    else location.reload();
  };
  return (
    <button type="button" class="banner-action" onClick={run}>
      {words[action]}
    </button>
  );
}
