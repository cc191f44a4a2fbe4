/** The keys. */
export const help = {
  title: 'Keyboard shortcuts',
  everywhere: 'Everywhere',
  inList: 'In the list of chats',
  inConversation: 'In a conversation',
  switcher: 'Go to a chat or a person',
  nextConversation: 'Next chat',
  previousConversation: 'Previous chat',
  escape: 'Close what is open',
  thisHelp: 'Show these shortcuts',
  move: 'Move between chats',
  openChat: 'Open the chat',
  options: 'Options of the chat',
  send: 'Send the message',
  newLine: 'Begin a new line',
  moveMessages: 'Move between messages',
  messageOptions: 'Options of the message',
};
