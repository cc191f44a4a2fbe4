import type { JSX } from 'preact';
import { useId } from 'preact/hooks';

interface SwitchProps {
  label: string;
  hint: string;
  isOn: boolean;
  isDisabled?: boolean;
  onChange(isOn: boolean): void;
}

/** Something that is on or off, with a line on what that means. */
export function Switch({ label, hint, isOn, isDisabled = false, onChange }: SwitchProps): JSX.Element {
  const id = useId();
  return (
    <div class="switch">
      <input
        id={id}
        type="checkbox"
        role="switch"
        checked={isOn}
        disabled={isDisabled}
        aria-describedby={`${id}-hint`}
        onChange={event => {
          const wanted = event.currentTarget.checked;
          event.currentTarget.checked = isOn; // it shows what is, not what was asked for
          onChange(wanted);
        }}
      />
      <label for={id}>{label}</label>
      <p id={`${id}-hint`} class="field-hint">
        {hint}
      </p>
    </div>
  );
}
