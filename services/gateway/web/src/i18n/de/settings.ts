import type { Catalogue } from '../en';
import { plurals } from '../plural';

const plural = plurals('de');

export const settings: Catalogue['settings'] = {
  title: 'Einstellungen',
  closeSettings: 'Einstellungen schließen',
  sections: {
    profile: 'Profil',
    privacy: 'Privatsphäre',
    appearance: 'Darstellung',
    password: 'Passwort',
    sessions: 'Geräte',
  },
  sectionsText: {
    profile: 'Dein Name und dein Status',
    privacy: 'Was andere sehen, und wen du blockierst',
    appearance: 'Farben, Sprache, Tasten',
    password: 'Das Passwort ändern',
    sessions: 'Wo du angemeldet bist',
  },

  displayName: 'Anzeigename',
  usernameFixed: 'Dein Benutzername bleibt, wie er ist. Unter ihm findet man dich.',
  nameSaved: 'Dein Name ist geändert.',
  status: 'Dein Status',
  statusNames: { online: 'Online', away: 'Abwesend', dnd: 'Bitte nicht stören', invisible: 'Unsichtbar' },
  statusText: {
    online: 'Andere sehen dich online, solange Parley offen ist.',
    away: 'Andere sehen dich als abwesend, mit einem gelben Punkt.',
    dnd: 'Andere sehen, dass du nicht gestört werden willst.',
    invisible: 'Andere sehen dich als offline. Nachrichten kommen und gehen wie immer.',
  },

  readReceipts: 'Lesebestätigungen',
  readReceiptsText: 'Aus: Andere sehen höchstens „Zugestellt“ bei dem, was sie dir schreiben.',
  typing: 'Tippen',
  typingText: 'Aus: Andere sehen nicht, wenn du schreibst.',
  lastSeen: 'Zuletzt online',
  lastSeenText: 'Aus: Andere sehen nicht, wann du zuletzt hier warst.',
  blockedPeople: 'Blockierte Leute',
  blockedText: 'Keiner von euch kann dem anderen schreiben oder sehen, ob der andere da ist.',
  blockedSince: when => `blockiert ${when}`,
  nobodyBlocked: 'Du blockierst niemanden.',
  unblock: 'Freigeben',
  unblockName: name => `${name} freigeben`,
  unblocked: name => `${name} ist nicht mehr blockiert.`,

  theme: 'Farben',
  themes: { system: 'Wie das System', light: 'Hell', dark: 'Dunkel' },
  language: 'Sprache',
  languageSystem: 'Wie der Browser',
  enter: 'Enter sendet',
  enterText: 'Aus: Enter beginnt eine neue Zeile, Strg+Enter sendet.',
  counts: 'Ungelesene Nachrichten zählen',
  countsText: 'Im Titel des Tabs und am Symbol der App. Stumme Chats zählen nicht.',

  oldPassword: 'Jetziges Passwort',
  newPassword: 'Neues Passwort',
  changePassword: 'Passwort ändern',
  passwordText: 'Alle deine anderen Geräte werden dabei abgemeldet.',
  oldWrong: 'Das ist nicht dein jetziges Passwort.',
  passwordChanged: 'Dein Passwort ist geändert. Andere Geräte sind abgemeldet.',

  sessionsText: 'Beende, was du nicht kennst, und ändere dann dein Passwort.',
  thisDevice: 'Dieses Gerät',
  aProgram: 'Ein Programm',
  unknownDevice: 'Unbekanntes Gerät',
  browserOn: (browser, system) => `${browser} auf ${system}`,
  aBrowserOn: system => `Browser auf ${system}`,
  signedInSince: when => `Angemeldet ${when}`,
  lastUsed: when => `zuletzt benutzt ${when}`,
  justNow: 'gerade eben',
  end: 'Beenden',
  endNamed: name => `${name} beenden`,
  endOthers: 'Alle anderen Sitzungen beenden',
  endOthersTitle: 'Alle anderen Sitzungen beenden?',
  endOthersText: count =>
    plural(count, {
      one: '# anderes Gerät wird sofort abgemeldet.',
      other: '# andere Geräte werden sofort abgemeldet.',
    }),
  sessionEnded: 'Die Sitzung ist beendet.',
  othersEnded: 'Alle anderen Sitzungen sind beendet.',

  signOut: 'Abmelden',
  signOutTitle: 'Abmelden?',
  signOutText:
    'Was dieser Browser von deinen Nachrichten behält, wird gelöscht. Alles Gesendete bleibt auf dem Server.',
  signOutWaiting: count =>
    plural(count, {
      one: '# Nachricht ist noch nicht gesendet und ginge verloren.',
      other: '# Nachrichten sind noch nicht gesendet und gingen verloren.',
    }),
  signOutAnyway: 'Abmelden und verlieren',
  stay: 'Angemeldet bleiben',
};
