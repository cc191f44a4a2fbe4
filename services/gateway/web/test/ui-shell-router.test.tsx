import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { goUp, leaveSettings, navigate, pathOf, type Route, route, routeOf, startRouter } from '../src/ui/router';

interface Settled {
  readonly happyDOM: {
    readonly settings: {
      readonly navigation: { disableMainFrameNavigation: boolean; disableFallbackToSetURL: boolean };
    };
  };
}

let end: () => void;

beforeEach(() => {
  // Links lead nowhere: happy-dom would go there even before it tells the document of the click.
  const { navigation } = (window as unknown as Settled).happyDOM.settings;
  navigation.disableMainFrameNavigation = true;
  navigation.disableFallbackToSetURL = true;
  history.replaceState(null, '', '/');
  end = startRouter();
});

afterEach(() => {
  end();
  vi.restoreAllMocks();
  document.body.replaceChildren();
});

const toBen: Route = { page: 'conversation', id: 'dk-ben' };
const toPrivacy: Route = { page: 'settings', section: 'privacy' };

test.each<[string, Route]>([
  ['/', { page: 'list' }],
  ['/c/dk-ben', toBen],
  ['/c/a%20b', { page: 'conversation', id: 'a b' }],
  ['/settings', { page: 'settings', section: null }],
  ['/settings/privacy', toPrivacy],
])('%s is a page, and the address of that page', (path, page) => {
  expect(routeOf(path)).toEqual(page);
  expect(pathOf(page)).toBe(path);
});

test.each(['/nowhere', '/c/', '/c/a/b', '/c/%E0', '/settings/no', '/settings/privacy/x'])('%s is the list', path => {
  expect(routeOf(path)).toEqual({ page: 'list' });
});

test('an address that is none becomes that of the list', () => {
  end();
  history.replaceState(null, '', '/nowhere');
  end = startRouter();
  expect(location.pathname).toBe('/');
});

test('a page has an entry in the history, the same page again has none', () => {
  const before = history.length;
  navigate(toBen);
  expect(location.pathname).toBe('/c/dk-ben');
  expect(route.value).toEqual(toBen);
  expect(history.length).toBe(before + 1);
  navigate(toBen);
  expect(history.length).toBe(before + 1);
});

test('going back follows the history', () => {
  navigate(toBen);
  history.replaceState(null, '', '/');
  dispatchEvent(new PopStateEvent('popstate'));
  expect(route.value).toEqual({ page: 'list' });
});

test('going up goes back where the list was the page before', () => {
  const back = vi.spyOn(history, 'back').mockImplementation(() => {});
  navigate(toBen);
  goUp();
  expect(back).toHaveBeenCalledOnce();
});

test('going up from a page that was opened by its address leaves no way back to it', () => {
  const back = vi.spyOn(history, 'back').mockImplementation(() => {});
  navigate(toBen);
  navigate({ page: 'conversation', id: 'dk-cy' }); // over another conversation, not over the list
  const before = history.length;
  goUp();
  expect(back).not.toHaveBeenCalled();
  expect(location.pathname).toBe('/');
  expect(history.length).toBe(before);
});

test('the settings close to where they were opened', () => {
  navigate(toBen);
  navigate({ page: 'settings', section: null });
  navigate(toPrivacy);
  leaveSettings();
  expect(route.value).toEqual(toBen);
});

function clickOn(attributes: Record<string, string>, init: MouseEventInit = {}): MouseEvent {
  const link = document.createElement('a');
  for (const [name, value] of Object.entries(attributes)) link.setAttribute(name, value);
  const inner = document.createElement('b');
  link.append(inner);
  document.body.append(link);
  const click = new MouseEvent('click', { bubbles: true, cancelable: true, ...init });
  inner.dispatchEvent(click);
  return click;
}

test('a click on a link to a page shows the page', () => {
  expect(clickOn({ href: '/c/dk-ben' }).defaultPrevented).toBe(true);
  expect(route.value).toEqual(toBen);
});

test.each<[string, Record<string, string>, MouseEventInit]>([
  ['a file', { href: '/schema' }, {}],
  ['another site', { href: 'https://elsewhere.example/c/x' }, {}],
  ['another tab', { href: '/c/dk-ben', target: '_blank' }, {}],
  ['with Ctrl', { href: '/c/dk-ben' }, { ctrlKey: true }],
  ['with the middle button', { href: '/c/dk-ben' }, { button: 1 }],
])('a click on a link is left to the browser: %s', (_what, attributes, init) => {
  expect(clickOn(attributes, init).defaultPrevented).toBe(false);
  expect(route.value).toEqual({ page: 'list' });
});
