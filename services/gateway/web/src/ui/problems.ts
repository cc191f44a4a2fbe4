import { ApiError } from '../api/request';
import type { Catalogue } from '../i18n/en';
import { waitText } from './time';

/** What went wrong, in a sentence that says what to do. */
export function problemText(error: unknown, words: Catalogue, locale: string): string {
  if (!(error instanceof ApiError)) return words.common.wentWrong;
  if (error.code === 'network') return words.problems.network;
  if (error.code === 'rate_limited') return words.problems.tooOften(waitText(error.retryAfterMs, locale));
  if (error.status >= 500) return words.problems.unavailable;
  return error.detail || words.common.wentWrong;
}
