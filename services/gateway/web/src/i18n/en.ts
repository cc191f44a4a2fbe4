/** All texts, in English: what every other language must have, too. A section per area of the client. */

import { account, problems } from './en/account';
import { common, presence, status } from './en/common';
import { connection } from './en/connection';
import { conversation } from './en/conversation';
import { help } from './en/help';
import { list } from './en/list';
import { settings } from './en/settings';

export const en = {
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

export type Catalogue = typeof en;
