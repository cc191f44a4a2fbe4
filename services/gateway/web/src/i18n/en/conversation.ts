import { plurals } from '../plural';

const plural = plurals('en');

/** The pane of one conversation. Times and dates come as text that is ready to be shown. */
export const conversation = {
  // The header
  lastSeen: {
    justNow: 'last seen just now',
    minutes: (count: number) =>
      plural(count, {
        one: 'last seen # minute ago',
        other: 'last seen # minutes ago',
      }),
    today: (clock: string) => `last seen at ${clock}`,
    yesterday: (clock: string) => `last seen yesterday at ${clock}`,
    weekday: (weekday: string, clock: string) => `last seen ${weekday} at ${clock}`,
    date: (date: string) => `last seen ${date}`,
  },
  members: (count: number) => plural(count, { one: '# member', other: '# members' }),
  options: 'Conversation options',
  jumpToDate: 'Jump to a date',
  jumpToUnread: 'Jump to the first unread message',
  markRead: 'Mark as read',
  mute: 'Mute',
  unmute: 'Unmute',
  pin: 'Pin to the top',
  unpin: 'Unpin',
  archive: 'Archive',
  unarchive: 'Move out of the archive',
  block: (name: string) => `Block ${name}`,
  unblock: (name: string) => `Unblock ${name}`,
  blockTitle: (name: string) => `Block ${name}?`,
  blockText: (name: string) =>
    `${name} can’t write to you then, and you can’t write to ${name}. Neither of you sees when the other is online or typing. What was said stays.`,

  // The list
  today: 'Today',
  yesterday: 'Yesterday',
  messages: (title: string) => `Messages with ${title}`,
  message: 'Message',
  youSaid: 'You',
  newMessages: 'New messages',
  loadingMessages: 'Loading messages…',
  goToLatest: 'Go to the latest message',
  newBelow: (count: number) => plural(count, { one: '# new message', other: '# new messages' }),
  countBadge: (count: number) => (count > 99 ? '99+' : String(count)),
  showAll: 'Show all',
  announced: (name: string, text: string) => `${name}: ${text}`,

  // A message
  tick: (state: string, time: string) => `${state} ${time}`,
  tickOfSent: (state: string, time: string) => `${state}, sent ${time}`,
  accepted: 'On its way',
  details: (name: string) => `${name}. Show details`,
  actions: 'Message actions',
  reply: 'Reply',
  copy: 'Copy text',
  copied: 'Copied',
  notCopied: 'The text could not be copied.',
  info: 'Message info',
  quoteOf: (name: string) => `In reply to ${name}. Go to that message`,
  quoteLoading: 'Loading…',
  quoteGone: 'This message is not there any more.',

  // What did not go out
  tryAgain: 'Try again',
  delete: 'Delete',
  retryAll: (count: number) => plural(count, { one: 'Try again', other: 'Try all # again' }),
  failedCount: (count: number) =>
    plural(count, {
      one: '# message was not sent.',
      other: '# messages were not sent.',
    }),
  notSent: {
    blocked: (name: string) => `Not sent: you and ${name} can’t write to each other now.`,
    not_found: (name: string) => `Not sent: ${name} can’t be found.`,
    not_member: () => 'Not sent: you are not a member here any more.',
    too_large: () => 'Not sent: it is too long.',
    id_conflict: () => 'Not sent: something else was sent in its place. Copy the text and send it anew.',
    other: (detail: string) => `Not sent. ${detail}`,
  },

  // Who is away
  retrying: (name: string, tries: number, of: number, next: string) =>
    `${name} has not got this yet: ${tries} of ${of} tries, next at ${next}`,
  retryingNow: (name: string, tries: number, of: number) => `${name} has not got this yet: try ${tries} of ${of} now`,
  parked: (name: string) => `Will be delivered when ${name} is back`,
  tryNow: 'Try now',
  triedNow: (name: string) => `Trying to reach ${name} now.`,
  tryNowFailed: 'That could not be tried now. Please wait a few seconds.',

  // Message info
  infoTitle: 'Message info',
  written: 'Written',
  acceptedAt: 'Accepted',
  stored: 'Sent',
  delivered: 'Delivered',
  read: 'Read',
  failed: 'Failed',
  receivedAt: 'Sent',
  notYet: 'Not yet',
  timeUnknown: 'Time not known',
  attempt: (number: number) => `Try ${number}`,
  attemptRetrying: 'no answer',
  attemptFailed: 'no answer, the last one',
  nextTry: 'Next try',
  waitsHere: 'It waits in this browser and goes out when you are connected.',
  infoNotLoaded: 'The details could not be loaded.',

  // Jump to a date
  dateTitle: 'Jump to a date',
  dateLabel: 'Date',
  dateGo: 'Go there',
  dateNone: 'There are no messages from that day or later.',

  // The composer
  placeholder: 'Message',
  send: 'Send',
  write: (title: string) => `Message to ${title}`,
  counter: (length: string, limit: string) => `${length} of ${limit}`,
  tooLong: (over: number) =>
    plural(over, {
      one: '# character too many',
      other: '# characters too many',
    }),
  replyingTo: (name: string) => `Reply to ${name}`,
  replyingToSelf: 'Reply to yourself',
  cancelReply: 'Cancel reply',
  youBlocked: (name: string) => `You blocked ${name}.`,
  unblockShort: 'Unblock',
  cannotWrite: (name: string) => `You and ${name} can’t write to each other now.`,
  notKept: 'This message could not be kept in this browser. It is still in the box: copy it, or free some space.',

  // Typing
  typingOne: (name: string) => `${name} is typing`,
  typingTwo: (one: string, other: string) => `${one} and ${other} are typing`,
  typingMany: (count: number) => plural(count, { one: '# person is typing', other: '# people are typing' }),
  typingShort: 'typing…',

  // Nothing to show
  sayHello: (name: string) => `Say hello to ${name}`,
  noMessagesYet: 'No messages here yet.',
  noConversation: 'Choose a conversation',
  noConversationText: 'Or look for somebody by name, and write to them.',
  notLoaded: 'The messages could not be loaded.',
  notThere: 'This conversation is not there.',
  notThereText: 'It may be somebody else’s, or the address is not quite right.',
};
