import { plurals } from '../plural';

const plural = plurals('en');

/** The pane of conversations, and the search of people. */
export const list = {
  title: 'Chats',
  conversations: 'Conversations',
  you: 'You:',
  draft: 'Draft:',
  yesterday: 'Yesterday',
  unread: (count: number) => plural(count, { one: '# unread message', other: '# unread messages' }),
  badge: (count: number) => (count > 99 ? '99+' : String(count)),
  muted: 'Muted',
  pinned: 'Pinned',
  optionsOf: (title: string) => `Options for ${title}`,
  archived: 'Archived',
  archivedCount: (count: number) => plural(count, { one: '# chat', other: '# chats' }),
  backToChats: 'Back to all chats',
  archivedToast: 'Moved to the archive.',
  unarchivedToast: 'Moved out of the archive.',
  undo: 'Undo',
  noArchived: 'The archive is empty.',

  empty: 'No chats yet',
  emptyText: 'Look for somebody by name, and write the first message.',
  findPeople: 'Find people',
  newChat: 'New chat',
  loading: 'Loading your chats…',
  notLoaded: 'Your chats could not be loaded.',

  search: 'Search',
  searchLabel: 'Search chats and people',
  clearSearch: 'Clear search',
  chats: 'Chats',
  people: 'People',
  searching: 'Looking for people…',
  twoLetters: 'Two letters or more find people, too.',
  nobody: (query: string) => `Nobody is called “${query}”.`,
  noMatch: 'Nothing found',
  found: (count: number) => plural(count, { zero: 'Nothing found', one: '# result', other: '# results' }),
  searchFailed: 'People could not be searched.',

  switcher: 'Go to a chat',
  switcherHint: 'Chat or person',
};
