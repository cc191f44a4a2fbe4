import type { ComponentChildren, JSX } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { useWords } from '../words';
import { IconButton } from './button';

interface DialogProps {
  title: string;
  /** Esc, the close button, a click beside it. The parent then stops rendering it. */
  onClose(): void;
  children: ComponentChildren;
  /** Buttons at the end. */
  actions?: ComponentChildren;
  size?: 'small' | 'wide';
}

/**
 * A modal dialog that is open as long as it is rendered. The focus goes to the first `autofocus` element, or the first
 * that takes it, and back to where it was.
 */
export function Dialog({ title, onClose, children, actions, size = 'small' }: DialogProps): JSX.Element {
  const words = useWords();
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close(); // a dialog that is removed while it is open gives the focus back to nobody
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog dialog-${size}`}
      aria-labelledby={titleId}
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onClick={event => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div class="dialog-box">
        <header class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <IconButton icon="close" label={words.common.close} onClick={onClose} />
        </header>
        <div class="dialog-body">{children}</div>
        {actions && <footer class="dialog-actions">{actions}</footer>}
      </div>
    </dialog>
  );
}
