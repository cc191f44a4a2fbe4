import type { ComponentChildren, JSX, Ref } from 'preact';
import { Icon } from './icon';
import type { IconName } from './icons';

type Native = Omit<JSX.IntrinsicElements['button'], 'icon' | 'label' | 'ref' | 'class'>;

interface ButtonProps extends Native {
  kind?: 'primary' | 'plain' | 'danger' | 'quiet';
  icon?: IconName;
  /** Its work is under way: it can't be pressed again. */
  isPending?: boolean;
  children: ComponentChildren;
  buttonRef?: Ref<HTMLButtonElement>;
}

/** A button with words. */
export function Button(props: ButtonProps): JSX.Element {
  const { kind = 'plain', icon, isPending = false, disabled = false, children, buttonRef, ...native } = props;
  return (
    <button
      type="button"
      {...native}
      ref={buttonRef ?? null}
      class={`button button-${kind}`}
      disabled={isPending || disabled}
      aria-busy={isPending}
    >
      {icon && <Icon name={icon} size={20} />}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps extends Native {
  icon: IconName;
  /** What it does; shown on hover too. */
  label: string;
  buttonRef?: Ref<HTMLButtonElement>;
}

/** A button that is a picture. */
export function IconButton({ icon, label, buttonRef, ...native }: IconButtonProps): JSX.Element {
  return (
    <button type="button" title={label} {...native} ref={buttonRef ?? null} class="icon-button" aria-label={label}>
      <Icon name={icon} />
    </button>
  );
}
