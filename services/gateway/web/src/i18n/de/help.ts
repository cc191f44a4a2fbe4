import type { Catalogue } from '../en';

export const help: Catalogue['help'] = {
  title: 'Tastenkürzel',
  everywhere: 'Überall',
  inList: 'In der Liste der Chats',
  inConversation: 'In einem Gespräch',
  switcher: 'Zu einem Chat oder einer Person gehen',
  nextConversation: 'Nächster Chat',
  previousConversation: 'Voriger Chat',
  escape: 'Schließen, was offen ist',
  thisHelp: 'Diese Kürzel zeigen',
  move: 'Zwischen Chats wechseln',
  openChat: 'Den Chat öffnen',
  options: 'Optionen des Chats',
  send: 'Die Nachricht senden',
  newLine: 'Eine neue Zeile beginnen',
  moveMessages: 'Zwischen Nachrichten wechseln',
  messageOptions: 'Optionen der Nachricht',
};
