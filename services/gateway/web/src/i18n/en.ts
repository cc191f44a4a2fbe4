/** All texts, in English: what every other language must have, too. A section per area of the client. */

import { common, presence, status } from './en/common';
import { conversation } from './en/conversation';

export const en = { common, status, presence, conversation };

export type Catalogue = typeof en;
