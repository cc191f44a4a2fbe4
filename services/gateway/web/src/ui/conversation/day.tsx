import type { JSX } from 'preact';
import { dayLabel } from '../../text/format';
import { useDay } from '../day';
import { useLocale, useWords } from '../words';

interface DayProps {
  /** The local day: `2026-11-22`. */
  day: string;
  onChoose(day: string): void;
}

/** The day of the messages below it; a click asks for another one. Keys reach that in the header's menu. */
export function Day({ day, onChoose }: DayProps): JSX.Element {
  const words = useWords().conversation;
  const label = useDayLabel(day);
  return (
    <li class="day" data-day={day}>
      <button type="button" class="day-pill" tabIndex={-1} title={words.jumpToDate} onClick={() => onChoose(day)}>
        {label}
      </button>
    </li>
  );
}

/** The day of what is at the top, while people scroll. */
export function FloatingDay({ day, isShown }: { day: string; isShown: boolean }): JSX.Element {
  const label = useDayLabel(day);
  return (
    <div class={isShown ? 'day-floating is-shown' : 'day-floating'} aria-hidden="true">
      {day && <span class="day-pill">{label}</span>}
    </div>
  );
}

function useDayLabel(day: string): string {
  const words = useWords().conversation;
  const locale = useLocale();
  const today = useDay();
  return dayLabel(day, new Date(`${today}T12:00`), locale, words);
}
