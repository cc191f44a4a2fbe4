export const common = {
  appName: 'Parley',
  cancel: 'Cancel',
  close: 'Close',
  save: 'Save',
  back: 'Back',
  tryAgain: 'Try again',
  more: 'More',
  loading: 'Loading…',
  you: 'You',
  notLoaded: 'This could not be loaded.',
  wentWrong: 'That did not work. Please try again.',
  skipToConversation: 'Skip to the conversation',
};

/** How far an own message is, as the text of its tick. */
export const status = {
  queued: 'Waiting to be sent',
  sent: 'Sent',
  delivered: 'Delivered',
  read: 'Read',
  failed: 'Not sent',
};

export const presence = {
  online: 'online',
  away: 'away',
  dnd: 'do not disturb',
  offline: 'offline',
};
