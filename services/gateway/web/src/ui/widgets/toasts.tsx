import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useWords } from '../words';
import { IconButton } from './button';

export interface ToastOptions {
  readonly tone?: 'plain' | 'bad';
  readonly action?: { readonly label: string; run(): void };
  /** It stays until it is closed. */
  readonly isSticky?: boolean;
}

interface Toast extends ToastOptions {
  readonly key: number;
  readonly text: string;
}

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;
const MOST = 3;

const toasts = signal<readonly Toast[]>([]);
let lastKey = 0;

/** Says something for a while. The function that comes back takes it away. */
export function showToast(text: string, options: ToastOptions = {}): () => void {
  const toast: Toast = { ...options, text, key: ++lastKey };
  toasts.value = [...toasts.value.filter(other => other.text !== text), toast].slice(-MOST);
  return () => remove(toast);
}

function remove(toast: Toast): void {
  toasts.value = toasts.value.filter(other => other.key !== toast.key);
}

/** Where toasts are shown and read out. One per page. */
export function ToastRegion(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(toast => (
        <ToastView key={toast.key} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ toast }: { toast: Toast }): JSX.Element {
  const words = useWords();
  const [isHeld, setHeld] = useState(false); // under the pointer or with the focus inside: people still read
  useEffect(() => {
    if (toast.isSticky || isHeld) return;
    const timer = setTimeout(() => remove(toast), toast.action ? SHOWN_WITH_ACTION_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast, isHeld]);
  return (
    <div
      class={toast.tone === 'bad' ? 'toast toast-bad' : 'toast'}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <span class="toast-text">{toast.text}</span>
      {toast.action && (
        <button
          type="button"
          class="toast-action"
          onClick={() => {
            remove(toast);
            toast.action?.run();
          }}
        >
          {toast.action.label}
        </button>
      )}
      <IconButton icon="close" label={words.common.close} onClick={() => remove(toast)} />
    </div>
  );
}
