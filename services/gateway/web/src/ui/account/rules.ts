/** What names and passwords must be like, as the server has it. */

import type { Catalogue } from '../../i18n/en';

export type Mode = 'sign-in' | 'create';

export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly displayName: string;
}

export type FieldProblems = Partial<Record<keyof Credentials, string>>;

const USERNAME = /^[a-z0-9_-]{3,32}$/;
const PASSWORD_LEAST = 8;
const PASSWORD_MOST = 128;

/** The name as the server folds it. */
export function foldedUsername(text: string): string {
  return text.trim().toLowerCase();
}

export function isPassword(text: string): boolean {
  const { length } = [...text]; // characters are code points
  return length >= PASSWORD_LEAST && length <= PASSWORD_MOST;
}

/** What is wrong before the server is asked; who signs in is only asked for something to try. */
export function check(given: Credentials, mode: Mode, words: Catalogue['account']): FieldProblems {
  const problems: FieldProblems = {};
  if (mode === 'sign-in') {
    if (foldedUsername(given.username) === '') problems.username = words.usernameMissing;
    if (given.password === '') problems.password = words.passwordMissing;
  } else {
    if (!USERNAME.test(foldedUsername(given.username))) problems.username = words.usernameWrong;
    if (!isPassword(given.password)) problems.password = words.passwordWrong;
  }
  return problems;
}
