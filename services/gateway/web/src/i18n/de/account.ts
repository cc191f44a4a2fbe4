import type { Catalogue } from '../en';

export const account: Catalogue['account'] = {
  signIn: 'Anmelden',
  createAccount: 'Konto anlegen',
  signInTitle: 'Bei Parley anmelden',
  createTitle: 'Dein Konto',
  signInText: 'Nachrichten, die ankommen: keine verloren, keine doppelt, immer in der richtigen Folge.',
  createText: 'Ein Name und ein Passwort genügen.',
  toCreate: 'Neu hier?',
  toCreateAction: 'Registrieren',
  toSignIn: 'Du hast ein Konto?',
  toSignInAction: 'Zur Anmeldung',
  ended: 'Deine Sitzung ist beendet. Bitte melde dich wieder an. Was noch nicht gesendet war, wartet auf dich.',

  username: 'Benutzername',
  password: 'Passwort',
  displayName: 'Anzeigename',
  usernameHint: '3 bis 32 Zeichen: a bis z, 0 bis 9, _ und -. Er lässt sich später nicht ändern.',
  passwordHint: 'Mindestens 8 Zeichen.',
  displayNameHint: 'Das sehen andere. Du kannst ihn leer lassen und jederzeit ändern.',
  showPassword: 'Passwort zeigen',
  hidePassword: 'Passwort verbergen',

  usernameMissing: 'Bitte gib deinen Benutzernamen ein.',
  usernameWrong: 'Nimm 3 bis 32 Zeichen aus a bis z, 0 bis 9, _ und -.',
  usernameTaken: name => `${name} ist vergeben. Bitte wähle einen anderen Namen.`,
  passwordMissing: 'Bitte gib dein Passwort ein.',
  passwordWrong: 'Nimm 8 bis 128 Zeichen.',
  displayNameWrong: 'Nimm 1 bis 64 sichtbare Zeichen.',
  wrong: 'Der Benutzername oder das Passwort ist falsch.',
};

export const problems: Catalogue['problems'] = {
  network: 'Parley ist nicht erreichbar. Prüfe dein Netz und versuche es noch einmal.',
  unavailable: 'Bei Parley klemmt gerade etwas. Bitte versuche es gleich noch einmal.',
  tooOften: wait => `Zu viele Versuche. Bitte warte ${wait} und versuche es dann noch einmal.`,
};
