import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { useDay } from '../day';
import { Button } from '../widgets/button';
import { Dialog } from '../widgets/dialog';
import { useWords } from '../words';

interface DateDialogProps {
  /** The local day that is filled in: `2026-11-22`. */
  day: string;
  onClose(): void;
  onChoose(date: Date): void;
}

/** Asks for a day to go to. */
export function DateDialog({ day, onClose, onChoose }: DateDialogProps): JSX.Element {
  const words = useWords();
  const [chosen, setChosen] = useState(day);
  const inputId = useId();
  const formId = useId();
  const today = useDay();
  const date = localDate(chosen);
  return (
    <Dialog
      title={words.conversation.dateTitle}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{words.common.cancel}</Button>
          <Button kind="primary" type="submit" form={formId} disabled={date === null}>
            {words.conversation.dateGo}
          </Button>
        </>
      }
    >
      <form
        id={formId}
        class="date-form"
        onSubmit={event => {
          event.preventDefault();
          if (date) onChoose(date);
        }}
      >
        <label for={inputId}>{words.conversation.dateLabel}</label>
        <input
          id={inputId}
          type="date"
          required
          autofocus
          max={today}
          value={chosen}
          onInput={event => setChosen(event.currentTarget.value)}
        />
      </form>
    </Dialog>
  );
}

/** Midnight of a day here; null where the text is no day. */
function localDate(day: string): Date | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day);
  return parts ? new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])) : null;
}
