import { plurals } from '../plural';

const plural = plurals('en');

/** The banner about the connection, and updates. */
export const connection = {
  connecting: 'Connecting…',
  lost: 'No connection.',
  again: (seconds: number) =>
    plural(seconds, { one: 'Trying again in # second.', other: 'Trying again in # seconds.' }),
  tryNow: 'Try now',
  offline: 'You are offline.',
  waiting: (count: number) =>
    plural(count, {
      one: '# message will be sent when you are back.',
      other: '# messages will be sent when you are back.',
    }),
  polling: 'Connected without a live socket: a little slower.',
  notDurable: 'This browser keeps nothing: what waits to be sent is lost when this tab closes.',
  takenOver: 'Parley was opened elsewhere in this browser, and went on there.',
  useHere: 'Use it here',
  signedOut: 'You are signed out.',
  refused: 'The server refused the connection.',
  outdated: 'This page is too old for the server.',
  reload: 'Reload',
  updateReady: 'A new version of Parley is ready.',
};
