import type { JSX, PartialInputHTMLAttributes } from 'preact';
import { useId, useState } from 'preact/hooks';
import { useWords } from '../words';
import { IconButton } from './button';

type Native = Pick<
  PartialInputHTMLAttributes<HTMLInputElement>,
  'name' | 'autocomplete' | 'autocapitalize' | 'autocorrect' | 'spellcheck' | 'autofocus' | 'dir' | 'readOnly'
>;

interface FieldProps extends Native {
  label: string;
  /** A password can be shown. */
  type?: 'text' | 'password';
  hint?: string;
  /** What is wrong with it, or nothing; it stands in for the hint. */
  problem?: string | undefined;
  value: string;
  onValue(value: string): void;
}

/** A text field with its label, a hint and, where something is wrong with it, a sentence about that. */
export function Field(props: FieldProps): JSX.Element {
  const { label, type = 'text', hint, problem, value, onValue, ...native } = props;
  const words = useWords();
  const id = useId();
  const [isShown, setShown] = useState(false);
  const isSecret = type === 'password';
  const note = problem || hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box">
        <input
          {...native}
          id={id}
          {...(isSecret && !isShown ? { type: 'password' as const } : { type: 'text' as const })}
          value={value}
          aria-invalid={Boolean(problem)}
          {...(note ? { 'aria-describedby': `${id}-note` } : {})}
          onInput={event => onValue(event.currentTarget.value)}
        />
        {isSecret && (
          <IconButton
            icon={isShown ? 'eyeOff' : 'eye'}
            label={isShown ? words.account.hidePassword : words.account.showPassword}
            onClick={() => setShown(!isShown)}
          />
        )}
      </div>
      {note && (
        <p
          key={note}
          id={`${id}-note`}
          class={problem ? 'field-problem' : 'field-hint'}
          {...(problem ? { role: 'alert' as const } : {})}
        >
          {note}
        </p>
      )}
    </div>
  );
}
