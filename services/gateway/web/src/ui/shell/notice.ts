import type { Catalogue } from '../../i18n/en';
import type { Connection } from '../../link/transport';

/** What the banner says. It does not change from second to second. */
export interface Notice {
  readonly text: string;
  /** What it means for what was written. */
  readonly detail: string;
  readonly tone: 'warn' | 'quiet';
  readonly action: 'tryNow' | 'useHere' | 'reload' | null;
}

/** The words for a connection that is not well; null where all is well. `waiting`: messages that wait to be sent. */
export function noticeOf(
  connection: Connection,
  waiting: number,
  isDurable: boolean,
  words: Catalogue['connection'],
): Notice | null {
  const detail = [waiting > 0 ? words.waiting(waiting) : '', isDurable ? '' : words.notDurable].join(' ').trim();
  switch (connection.state) {
    case 'online':
      return null;
    case 'connecting':
      return connection.tries === 0
        ? { text: words.connecting, detail, tone: 'quiet', action: null }
        : { text: words.lost, detail, tone: 'warn', action: 'tryNow' };
    case 'offline':
      return { text: words.offline, detail, tone: 'warn', action: null };
    case 'polling':
      return { text: words.polling, detail: '', tone: 'quiet', action: null };
    case 'stopped':
      return stopped(connection, detail, words);
  }
}

function stopped(
  { why, reason }: Extract<Connection, { state: 'stopped' }>,
  detail: string,
  words: Catalogue['connection'],
): Notice {
  switch (why) {
    case 'taken-over':
      return { text: words.takenOver, detail, tone: 'warn', action: 'useHere' };
    case 'outdated':
      return { text: words.outdated, detail, tone: 'warn', action: 'reload' };
    case 'signed-out':
      return { text: words.signedOut, detail: '', tone: 'warn', action: null };
    case 'refused':
      return { text: [words.refused, reason].filter(Boolean).join(' '), detail, tone: 'warn', action: 'tryNow' };
  }
}
