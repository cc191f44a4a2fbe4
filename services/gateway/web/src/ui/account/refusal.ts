import { ApiError } from '../../api/request';
import type { Catalogue } from '../../i18n/en';
import { problemText } from '../problems';
import { type Credentials, type FieldProblems, foldedUsername } from './rules';

/** What the form says after a refusal: beside its fields, and in general. */
export interface Refusal {
  readonly fields: FieldProblems;
  readonly general: string | null;
}

/** Turn what the server, or the network, refused into words for the form. */
export function refusalOf(error: unknown, given: Credentials, words: Catalogue, locale: string): Refusal {
  if (error instanceof ApiError) {
    if (error.code === 'unauthenticated') return { fields: {}, general: words.account.wrong };
    if (error.code === 'username_taken') {
      return { fields: { username: words.account.usernameTaken(foldedUsername(given.username)) }, general: null };
    }
    const fields = fieldsOf(error, words.account);
    if (Object.keys(fields).length > 0) return { fields, general: null };
  }
  return { fields: {}, general: problemText(error, words, locale) };
}

function fieldsOf(error: ApiError, words: Catalogue['account']): FieldProblems {
  return {
    ...('username' in error.fields && { username: words.usernameWrong }),
    ...('password' in error.fields && { password: words.passwordWrong }),
    ...('display_name' in error.fields && { displayName: words.displayNameWrong }),
  };
}
