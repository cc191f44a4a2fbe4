import { afterEach, expect, test, vi } from 'vitest';
import { ApiError } from '../src/api/request';
import { en } from '../src/i18n/en';
import type { Session } from '../src/protocol';
import { applyPreferences, enterSends, languageChoice, theme } from '../src/ui/preferences';
import { deviceName } from '../src/ui/settings/device-name';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, textsOf, write } from './support/pane';
import { outboxEntry } from './support/samples';
import { field, noteOf, showShell } from './support/shell';

afterEach(() => {
  theme.value = 'system';
  enterSends.value = 'yes';
  languageChoice.value = 'system';
});

const toasts = (root: ParentNode): string[] => textsOf(root, '.toast-text');
const refused = (status: number, code: string, fields: Record<string, string> = {}): ApiError =>
  new ApiError(status, code, 'said the server', false, 0, fields);

function session(id: string, more: Partial<Session> = {}): Session {
  const at = new Date(Date.now() - 3 * 3_600_000).toISOString();
  return { id, kind: 'cookie', name: '', created_at: at, last_used_at: at, expires_at: at, current: false, ...more };
}

test('every section has an address, and the first is shown without one', async () => {
  const root = await showShell(new FakeClient(), '/settings');
  expect(only(root, '.settings-nav a[aria-current=page]').getAttribute('href')).toBe('/settings/profile');
  for (const link of root.querySelectorAll<HTMLAnchorElement>('.settings-nav a')) {
    await click(link);
    expect(location.pathname).toBe(link.getAttribute('href'));
    expect(only(root, '.settings-section h2').textContent).toBe(link.querySelector('span')?.firstChild?.textContent);
  }
});

test('the display name can be changed', async () => {
  const client = new FakeClient();
  const root = await showShell(client, '/settings/profile');
  expect(button(root, 'Save').disabled).toBe(true);
  await write(field(root, 'Display name'), ' Ann Lee ');
  await click(button(root, 'Save'));
  expect(client.changeProfile).toHaveBeenCalledWith({ display_name: 'Ann Lee' });
  expect(toasts(root)).toContain('Your name is changed.');
});

test('a name that the server does not take is told beside it, and stays', async () => {
  const client = new FakeClient();
  client.changeProfile.mockRejectedValue(refused(400, 'invalid', { display_name: 'x' }));
  const root = await showShell(client, '/settings/profile');
  await write(field(root, 'Display name'), 'x'.repeat(65));
  await click(button(root, 'Save'));
  expect(noteOf(field(root, 'Display name'))).toBe('Use 1 to 64 visible characters.');
  expect(field(root, 'Display name').value).toHaveLength(65);
});

test('the own status says what others see', async () => {
  const client = new FakeClient();
  const root = await showShell(client, '/settings/profile');
  expect(field(root, 'Online').checked).toBe(true);
  await click(field(root, 'Invisible'));
  expect(client.choosePresence).toHaveBeenCalledWith('invisible');
  expect(noteOf(field(root, 'Invisible'))).toContain('Others see you as offline');
});

test('a switch of privacy is one setting', async () => {
  const client = new FakeClient();
  const root = await showShell(client, '/settings/privacy');
  expect(field(root, 'Read receipts').checked).toBe(true);
  expect(noteOf(field(root, 'Read receipts'))).toContain('at most “Delivered”');
  await click(field(root, 'Read receipts'));
  expect(client.changeProfile).toHaveBeenCalledWith({ settings: { read_receipts: false } });
});

test('a switch goes back where the server did not take it', async () => {
  const client = new FakeClient();
  client.changeProfile.mockRejectedValue(refused(503, 'unavailable'));
  const root = await showShell(client, '/settings/privacy');
  await click(field(root, 'Typing'));
  expect(field(root, 'Typing').checked).toBe(true);
  expect(toasts(root)).toContain('Parley has trouble right now. Please try again in a moment.');
});

test('blocked people can be let in again', async () => {
  const client = new FakeClient();
  const mallory = { username: 'mallory', display_name: 'Mallory', since: new Date().toISOString() };
  client.blocked.mockResolvedValueOnce([mallory]).mockResolvedValue([]);
  const root = await showShell(client, '/settings/privacy');
  await click(button(root, 'Unblock Mallory'));
  expect(client.block).toHaveBeenCalledWith('mallory', false);
  expect(root.textContent).toContain('You block nobody.');
});

test('what could not be loaded can be tried again', async () => {
  const client = new FakeClient();
  client.sessions.mockRejectedValueOnce(refused(0, 'network')).mockResolvedValue([session('s', { current: true })]);
  const root = await showShell(client, '/settings/sessions');
  expect(root.textContent).toContain('This could not be loaded.');
  await click(button(root, 'Try again'));
  expect(root.querySelectorAll('.sessions li')).toHaveLength(1);
});

test('sessions: the own one first and marked, another one ended', async () => {
  const client = new FakeClient();
  const name = 'Mozilla/5.0 (Windows NT 10.0; rv:153.0) Gecko/20100101 Firefox/153.0';
  client.sessions.mockResolvedValue([session('other', { name }), session('own', { current: true })]);
  const root = await showShell(client, '/settings/sessions');
  const [first, second] = textsOf(root, '.sessions li');
  expect(first).toContain('This device');
  expect(second).toContain('Firefox on Windows');
  expect(second).toContain('Signed in 3 hours ago, last used 3 hours ago');
  await click(button(root, 'End Firefox on Windows'));
  expect(client.endSession.mock.calls).toEqual([['other']]);
  await vi.waitFor(() => expect(client.sessions).toHaveBeenCalledTimes(2));
});

test('all other sessions are ended after a question', async () => {
  const client = new FakeClient();
  client.sessions.mockResolvedValue([session('a'), session('own', { current: true }), session('b')]);
  const root = await showShell(client, '/settings/sessions');
  await click(button(root, 'End all other sessions'));
  expect(client.endSession).not.toHaveBeenCalled();
  expect(only(root, 'dialog').textContent).toContain('2 other devices are signed out at once.');
  await click(button(only(root, 'dialog'), 'End all other sessions'));
  expect(client.endSession.mock.calls.map(([id]) => id).sort()).toEqual(['a', 'b']);
});

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36',
    'Chrome on Linux',
  ],
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36 Edg/156.0',
    'Edge on Linux',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1',
    'Safari on iPhone',
  ],
  ['Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, lik', 'Browser on Android'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:153.0) Gecko/20', 'Firefox on Mac'],
  ['', 'Unknown device'],
])('%s is called %s', (name, called) => {
  expect(deviceName({ kind: 'cookie', name }, en.settings)).toBe(called);
});

test('a program is called what it calls itself', () => {
  expect(deviceName({ kind: 'token', name: 'my bot' }, en.settings)).toBe('my bot');
  expect(deviceName({ kind: 'token', name: '' }, en.settings)).toBe('A program');
});

async function changePassword(client: FakeClient, old: string, fresh: string): Promise<HTMLElement> {
  const root = await showShell(client, '/settings/password');
  await write(field(root, 'Current password'), old);
  await write(field(root, 'New password'), fresh);
  await click(button(root, 'Change password'));
  return root;
}

test('the password can be changed', async () => {
  const client = new FakeClient();
  const root = await changePassword(client, 'old one', 'a new password');
  expect(client.changePassword).toHaveBeenCalledWith('old one', 'a new password');
  expect(toasts(root)).toContain('Your password is changed. Other devices are signed out.');
  expect(field(root, 'New password').value).toBe('');
});

test.each([
  ['', 'long enough', 'Current password', 'Please enter your password.'],
  ['old one', 'short', 'New password', 'Use 8 to 128 characters.'],
])('a password is not asked to be changed from %s to %s', async (old, fresh, label, problem) => {
  const client = new FakeClient();
  const root = await changePassword(client, old, fresh);
  expect(client.changePassword).not.toHaveBeenCalled();
  expect(noteOf(field(root, label))).toBe(problem);
});

test('a wrong current password is told beside it', async () => {
  const client = new FakeClient();
  client.changePassword.mockRejectedValue(refused(403, 'forbidden', { old: 'is wrong' }));
  const root = await changePassword(client, 'wrong one', 'a new password');
  expect(noteOf(field(root, 'Current password'))).toBe('This is not your current password.');
  expect(field(root, 'New password').value).toBe('a new password');
});

test('colours and keys are chosen and remembered', async () => {
  await applyPreferences();
  const root = await showShell(new FakeClient(), '/settings/appearance');
  await click(field(root, 'Dark'));
  expect(document.documentElement.dataset['theme']).toBe('dark');
  expect(localStorage.getItem('parley.theme')).toBe('dark');
  await click(field(root, 'Like the system'));
  expect(document.documentElement.dataset['theme']).toBeUndefined();
  expect(localStorage.getItem('parley.theme')).toBeNull();
  await click(field(root, 'Enter sends'));
  expect(enterSends.value).toBe('no');
});

test('another language is spoken at once', async () => {
  await applyPreferences();
  const root = await showShell(new FakeClient(), '/settings/appearance');
  await click(field(root, 'Deutsch'));
  await vi.waitFor(() => expect(only(root, '.settings h1').textContent).toBe('Einstellungen'));
  await click(field(root, 'English'));
  await vi.waitFor(() => expect(only(root, '.settings h1').textContent).toBe('Settings'));
});

test('what another tab chose is followed', async () => {
  await applyPreferences();
  dispatchEvent(new StorageEvent('storage', { key: 'parley.theme', newValue: 'light' }));
  expect(document.documentElement.dataset['theme']).toBe('light');
  dispatchEvent(new StorageEvent('storage', { key: 'parley.theme', newValue: 'pink' }));
  expect(theme.value).toBe('system');
});

test('signing out is asked first', async () => {
  const client = new FakeClient();
  const root = await showShell(client, '/settings');
  await click(button(root, 'Sign out'));
  const dialog = only(root, 'dialog');
  expect(dialog.textContent).toContain('What this browser keeps of your messages is wiped.');
  expect(client.signOut).not.toHaveBeenCalled();
  await click(button(dialog, 'Sign out'));
  expect(client.signOut).toHaveBeenCalledOnce();
});

test('who signs out is told what would be lost', async () => {
  const client = new FakeClient();
  const root = await showShell(client, '/settings');
  await after(() => (client.outbox.value = [outboxEntry(1), outboxEntry(2, { state: 'accepted' })]));
  await click(button(root, 'Sign out'));
  expect(only(root, 'dialog').textContent).toContain('1 message has not been sent yet, and would be lost.');
  await click(button(root, 'Stay signed in'));
  expect(client.signOut).not.toHaveBeenCalled();
});

test('a sign-out that fails is told, and can be tried again', async () => {
  const client = new FakeClient();
  client.signOut.mockRejectedValue(refused(0, 'network'));
  const root = await showShell(client, '/settings');
  await click(button(root, 'Sign out'));
  await click(button(only(root, 'dialog'), 'Sign out'));
  expect(toasts(root)).toContain('Parley can’t be reached. Check your network, then try again.');
  await click(button(root, 'Sign out'));
  expect(button(only(root, 'dialog'), 'Sign out').disabled).toBe(false);
});
