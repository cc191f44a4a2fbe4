import { account, problems } from './de/account';
import { common, presence, status } from './de/common';
import { connection } from './de/connection';
import { conversation } from './de/conversation';
import { help } from './de/help';
import { list } from './de/list';
import { settings } from './de/settings';
import type { Catalogue } from './en';

export const de: Catalogue = {
  common,
  status,
  presence,
  account,
  problems,
  connection,
  list,
  conversation,
  settings,
  help,
};
