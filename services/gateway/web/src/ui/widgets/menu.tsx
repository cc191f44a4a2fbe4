import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { IconButton } from './button';
import { Icon } from './icon';
import type { IconName } from './icons';
import { placeBeside } from './placing';

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly isDanger?: boolean;
  readonly isDisabled?: boolean;
  onSelect(): void;
}

/** Where a menu opens: beside an element, or at a point of the window. */
export type MenuAnchor = Element | { readonly x: number; readonly y: number };

interface MenuProps {
  label: string;
  items: readonly MenuItem[];
  anchor: MenuAnchor;
  onClose(): void;
}

/** A menu that is open as long as it is rendered. Arrows, Home, End and first letters move; Esc and Tab close. */
export function Menu({ label, items, anchor, onClose }: MenuProps): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const opener = useRef<Element | null>(null);

  useLayoutEffect(() => {
    const menu = element.current;
    if (!menu) return;
    opener.current = document.activeElement;
    menu.showPopover?.();
    placeBeside(menu, anchor);
    buttonsOf(menu)[0]?.focus();
  }, [anchor]);

  useEffect(() => {
    const closeOutside = (event: Event): void => {
      if (!element.current?.contains(event.target as Node)) onClose();
    };
    addEventListener('pointerdown', closeOutside, true);
    addEventListener('blur', onClose);
    addEventListener('resize', onClose);
    return () => {
      removeEventListener('pointerdown', closeOutside, true);
      removeEventListener('blur', onClose);
      removeEventListener('resize', onClose);
    };
  }, [onClose]);

  const closeAndReturn = (): void => {
    onClose();
    if (opener.current instanceof HTMLElement) opener.current.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      closeAndReturn();
    } else if (event.key === 'Tab') {
      event.preventDefault();
      closeAndReturn();
    } else if (element.current && moveFocus(buttonsOf(element.current), event.key)) {
      event.preventDefault();
    }
  };
  return (
    <div ref={element} class="menu" role="menu" aria-label={label} popover="manual" tabIndex={-1} onKeyDown={onKeyDown}>
      {items.map(item => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          class={item.isDanger ? 'menu-item menu-danger' : 'menu-item'}
          disabled={item.isDisabled ?? false}
          onClick={() => {
            closeAndReturn();
            item.onSelect();
          }}
        >
          {item.icon && <Icon name={item.icon} size={20} />}
          <span>{item.label}</span>
        </button>
      ))}
    </div>
  );
}

/** A button that opens a menu. */
export function MenuButton({ label, icon = 'dots', items }: Pick<MenuProps, 'label' | 'items'> & { icon?: IconName }) {
  const button = useRef<HTMLButtonElement>(null);
  const [anchor, setAnchor] = useState<Element | null>(null);
  return (
    <>
      <IconButton
        icon={icon}
        label={label}
        buttonRef={button}
        aria-haspopup="menu"
        aria-expanded={anchor !== null}
        onClick={() => setAnchor(anchor ? null : button.current)}
      />
      {anchor && <Menu label={label} items={items} anchor={anchor} onClose={() => setAnchor(null)} />}
    </>
  );
}

function buttonsOf(menu: Element): HTMLButtonElement[] {
  return [...menu.querySelectorAll<HTMLButtonElement>('[role=menuitem]:not(:disabled)')];
}

/** Moves the focus as a key says; false where it says nothing about moving. */
function moveFocus(buttons: readonly HTMLButtonElement[], key: string): boolean {
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
  const next = target(buttons, at, key);
  next?.focus();
  return next !== undefined;
}

function target(buttons: readonly HTMLButtonElement[], at: number, key: string): HTMLButtonElement | undefined {
  if (key === 'ArrowDown') return buttons[(at + 1) % buttons.length];
  if (key === 'ArrowUp') return buttons.at(at <= 0 ? -1 : at - 1);
  if (key === 'Home') return buttons[0];
  if (key === 'End') return buttons.at(-1);
  if (key.length !== 1) return undefined;
  const from = [...buttons.slice(at + 1), ...buttons.slice(0, at + 1)];
  return from.find(button => button.textContent.trim().toLowerCase().startsWith(key.toLowerCase()));
}
