import type { Catalogue } from '../en';
import { plurals } from '../plural';

const plural = plurals('de');

export const list: Catalogue['list'] = {
  title: 'Chats',
  conversations: 'Gespräche',
  you: 'Du:',
  draft: 'Entwurf:',
  yesterday: 'Gestern',
  unread: count => plural(count, { one: '# ungelesene Nachricht', other: '# ungelesene Nachrichten' }),
  badge: count => (count > 99 ? '99+' : String(count)),
  muted: 'Stumm',
  pinned: 'Angeheftet',
  optionsOf: title => `Optionen für ${title}`,
  archived: 'Archiv',
  archivedCount: count => plural(count, { one: '# Chat', other: '# Chats' }),
  backToChats: 'Zurück zu allen Chats',
  archivedToast: 'Ins Archiv verschoben.',
  unarchivedToast: 'Aus dem Archiv geholt.',
  undo: 'Rückgängig',
  noArchived: 'Das Archiv ist leer.',

  empty: 'Noch keine Chats',
  emptyText: 'Suche jemanden beim Namen und schreibe die erste Nachricht.',
  findPeople: 'Leute finden',
  newChat: 'Neuer Chat',
  loading: 'Deine Chats werden geladen …',
  notLoaded: 'Deine Chats konnten nicht geladen werden.',

  search: 'Suchen',
  searchLabel: 'Chats und Leute suchen',
  clearSearch: 'Suche leeren',
  chats: 'Chats',
  people: 'Leute',
  searching: 'Leute werden gesucht …',
  twoLetters: 'Ab zwei Buchstaben findest du auch Leute.',
  nobody: query => `Niemand heißt „${query}“.`,
  noMatch: 'Nichts gefunden',
  found: count => plural(count, { one: '# Treffer', other: '# Treffer' }),
  searchFailed: 'Leute konnten nicht gesucht werden.',

  switcher: 'Zu einem Chat gehen',
  switcherHint: 'Chat oder Person',
};
