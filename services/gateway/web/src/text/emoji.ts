const MAX_EMOJI = 3;
/** Longer than three of the longest emoji there are: not looked at. */
const MAX_LENGTH = 120;

const MODIFIED = '\\p{Emoji_Modifier_Base}\\uFE0F?\\p{Emoji_Modifier}';
const SHOWN_AS_PICTURE = '(?!\\p{Regional_Indicator})\\p{Emoji_Presentation}|\\p{Extended_Pictographic}\\uFE0F';
const PART = `(?:${MODIFIED}|\\p{Extended_Pictographic}\\uFE0F?)`;
const FLAG = '\\p{Regional_Indicator}{2}';
const REGION_FLAG = '\\u{1F3F4}[\\u{E0020}-\\u{E007E}]+\\u{E007F}';
const KEYCAP = '[0-9#*]\\uFE0F\\u20E3';
const EMOJI = [FLAG, REGION_FLAG, KEYCAP, `${PART}(?:\\u200D${PART})+`, MODIFIED, SHOWN_AS_PICTURE].join('|');
const FEW_EMOJI = new RegExp(`^\\s*(?:(?:${EMOJI})\\s*){1,${MAX_EMOJI}}$`, 'u');

/** Whether a text is one to three emoji and nothing else, which is shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length <= MAX_LENGTH && FEW_EMOJI.test(text);
}
