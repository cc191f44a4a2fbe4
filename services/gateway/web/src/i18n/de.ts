import { common, presence, status } from './de/common';
import { conversation } from './de/conversation';
import type { Catalogue } from './en';

export const de: Catalogue = { common, status, presence, conversation };
