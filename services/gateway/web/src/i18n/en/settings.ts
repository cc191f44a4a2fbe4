import { plurals } from '../plural';

const plural = plurals('en');

/** The settings. Times come as text that is ready to be shown. */
export const settings = {
  title: 'Settings',
  closeSettings: 'Close settings',
  sections: {
    profile: 'Profile',
    privacy: 'Privacy',
    appearance: 'Appearance',
    password: 'Password',
    sessions: 'Devices',
  },
  sectionsText: {
    profile: 'Your name and your status',
    privacy: 'What others see, and whom you block',
    appearance: 'Colours, language, keys',
    password: 'Change your password',
    sessions: 'Where you are signed in',
  },

  displayName: 'Display name',
  usernameFixed: 'Your username stays as it is. People find you by it.',
  nameSaved: 'Your name is changed.',
  status: 'Your status',
  statusNames: { online: 'Online', away: 'Away', dnd: 'Do not disturb', invisible: 'Invisible' },
  statusText: {
    online: 'Others see you online while Parley is open.',
    away: 'Others see you as away, with a yellow dot.',
    dnd: 'Others see that you do not want to be disturbed.',
    invisible: 'Others see you as offline. You get and send messages as always.',
  },

  readReceipts: 'Read receipts',
  readReceiptsText: 'Off: others see at most “Delivered” for what they send you.',
  typing: 'Typing',
  typingText: 'Off: others don’t see when you write.',
  lastSeen: 'Last seen',
  lastSeenText: 'Off: others don’t see when you were here last.',
  blockedPeople: 'Blocked people',
  blockedText: 'Neither of you can write to the other, or see when the other is there.',
  blockedSince: (when: string) => `blocked ${when}`,
  nobodyBlocked: 'You block nobody.',
  unblock: 'Unblock',
  unblockName: (name: string) => `Unblock ${name}`,
  unblocked: (name: string) => `${name} is not blocked any more.`,

  theme: 'Colours',
  themes: { system: 'Like the system', light: 'Light', dark: 'Dark' },
  language: 'Language',
  languageSystem: 'Like the browser',
  enter: 'Enter sends',
  enterText: 'Off: Enter begins a new line, Ctrl+Enter sends.',
  counts: 'Count unread messages',
  countsText: 'In the title of the tab and on the app’s icon. Muted chats don’t count.',

  oldPassword: 'Current password',
  newPassword: 'New password',
  changePassword: 'Change password',
  passwordText: 'All your other devices are signed out then.',
  oldWrong: 'This is not your current password.',
  passwordChanged: 'Your password is changed. Other devices are signed out.',

  sessionsText: 'End what you don’t know, then change your password.',
  thisDevice: 'This device',
  aProgram: 'A program',
  unknownDevice: 'Unknown device',
  browserOn: (browser: string, system: string) => `${browser} on ${system}`,
  aBrowserOn: (system: string) => `Browser on ${system}`,
  signedInSince: (when: string) => `Signed in ${when}`,
  lastUsed: (when: string) => `last used ${when}`,
  justNow: 'just now',
  end: 'End',
  endNamed: (name: string) => `End ${name}`,
  endOthers: 'End all other sessions',
  endOthersTitle: 'End all other sessions?',
  endOthersText: (count: number) =>
    plural(count, { one: '# other device is signed out at once.', other: '# other devices are signed out at once.' }),
  sessionEnded: 'The session is ended.',
  othersEnded: 'All other sessions are ended.',

  signOut: 'Sign out',
  signOutTitle: 'Sign out?',
  signOutText: 'What this browser keeps of your messages is wiped. Everything sent stays on the server.',
  signOutWaiting: (count: number) =>
    plural(count, {
      one: '# message has not been sent yet, and would be lost.',
      other: '# messages have not been sent yet, and would be lost.',
    }),
  signOutAnyway: 'Sign out and lose them',
  stay: 'Stay signed in',
};
