import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useWords } from '../words';
import { Button } from './button';
import { Dialog } from './dialog';

interface ConfirmProps {
  title: string;
  /** What will happen. */
  children: ComponentChildren;
  /** The button that does it. */
  action: string;
  /** The button that does not; "Cancel". */
  cancel?: string;
  onConfirm(): Promise<unknown>;
  onClose(): void;
}

/** A question before something that can't be taken back. It closes once that is done, or failed. */
export function Confirm({ title, children, action, cancel, onConfirm, onClose }: ConfirmProps): JSX.Element {
  const words = useWords();
  const [isPending, setPending] = useState(false);
  const confirm = async (): Promise<void> => {
    setPending(true);
    await onConfirm();
    onClose();
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{cancel ?? words.common.cancel}</Button>
          <Button kind="danger" isPending={isPending} onClick={() => void confirm()}>
            {action}
          </Button>
        </>
      }
    >
      {children}
    </Dialog>
  );
}
