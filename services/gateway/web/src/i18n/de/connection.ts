import type { Catalogue } from '../en';
import { plurals } from '../plural';

const plural = plurals('de');

export const connection: Catalogue['connection'] = {
  connecting: 'Verbindet …',
  lost: 'Keine Verbindung.',
  again: seconds =>
    plural(seconds, { one: 'Nächster Versuch in # Sekunde.', other: 'Nächster Versuch in # Sekunden.' }),
  tryNow: 'Jetzt versuchen',
  offline: 'Du bist offline.',
  waiting: count =>
    plural(count, {
      one: '# Nachricht wird gesendet, sobald du wieder da bist.',
      other: '# Nachrichten werden gesendet, sobald du wieder da bist.',
    }),
  polling: 'Verbunden ohne stehende Leitung: etwas langsamer.',
  notDurable: 'Dieser Browser speichert nichts: Was noch nicht gesendet ist, geht mit diesem Tab verloren.',
  takenOver: 'Parley wurde in diesem Browser noch einmal geöffnet und läuft dort weiter.',
  useHere: 'Hier benutzen',
  signedOut: 'Du bist abgemeldet.',
  refused: 'Der Server hat die Verbindung abgelehnt.',
  outdated: 'Diese Seite ist zu alt für den Server.',
  reload: 'Neu laden',
  updateReady: 'Eine neue Version von Parley ist bereit.',
};
