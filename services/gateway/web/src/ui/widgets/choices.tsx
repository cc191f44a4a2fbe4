import type { JSX } from 'preact';
import { useId } from 'preact/hooks';

interface ChoicesProps<T extends string> {
  legend: string;
  /** Value, label, and what it means. */
  options: readonly (readonly [value: T, label: string, hint?: string])[];
  chosen: T;
  onChoose(value: T): void;
}

/** One out of a few. */
export function Choices<T extends string>({ legend, options, chosen, onChoose }: ChoicesProps<T>): JSX.Element {
  const name = useId();
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      {options.map(([value, label, hint]) => (
        <div key={value} class="choice">
          <input
            id={`${name}-${value}`}
            type="radio"
            name={name}
            value={value}
            checked={value === chosen}
            {...(hint ? { 'aria-describedby': `${name}-${value}-hint` } : {})}
            onChange={() => onChoose(value)}
          />
          <label for={`${name}-${value}`}>{label}</label>
          {hint && (
            <p id={`${name}-${value}-hint`} class="field-hint">
              {hint}
            </p>
          )}
        </div>
      ))}
    </fieldset>
  );
}
