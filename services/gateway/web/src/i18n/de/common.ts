import type { Catalogue } from '../en';

export const common: Catalogue['common'] = {
  appName: 'Parley',
  cancel: 'Abbrechen',
  close: 'Schließen',
  save: 'Speichern',
  back: 'Zurück',
  tryAgain: 'Noch einmal',
  more: 'Mehr',
  loading: 'Lädt …',
  you: 'Du',
  notLoaded: 'Das konnte nicht geladen werden.',
  wentWrong: 'Das hat nicht geklappt. Bitte versuche es noch einmal.',
  skipToConversation: 'Zum Gespräch springen',
};

export const status: Catalogue['status'] = {
  queued: 'Wartet auf das Senden',
  sent: 'Gesendet',
  delivered: 'Zugestellt',
  read: 'Gelesen',
  failed: 'Nicht gesendet',
};

export const presence: Catalogue['presence'] = {
  online: 'online',
  away: 'abwesend',
  dnd: 'bitte nicht stören',
  offline: 'offline',
};
