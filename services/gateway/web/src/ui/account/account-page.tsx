import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../../api/endpoints';
import type { User } from '../../protocol';
import { Button } from '../widgets/button';
import { Field } from '../widgets/field';
import { useLocale, useWords } from '../words';
import { type Refusal, refusalOf } from './refusal';
import { check, type Credentials, foldedUsername, type Mode } from './rules';

interface AccountPageProps {
  /** "ended": the session ran out or was revoked. */
  reason: 'none' | 'ended';
  onSignedIn(user: User): Promise<void>;
}

const NO_REFUSAL: Refusal = { fields: {}, general: null };

/** Where people sign in, or make an account. */
export function AccountPage({ reason, onSignedIn }: AccountPageProps): JSX.Element {
  const words = useWords();
  const locale = useLocale();
  const [mode, setMode] = useState<Mode>('sign-in');
  const [given, setGiven] = useState<Credentials>({ username: '', password: '', displayName: '' });
  const [refusal, setRefusal] = useState(NO_REFUSAL);
  const [isPending, setPending] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const isNew = mode === 'create';
  const text = words.account;

  useEffect(() => {
    document.title = words.common.appName;
  }, [words]);
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [refusal]);

  const take = (change: Partial<Credentials>): void => setGiven({ ...given, ...change });
  const submit = async (): Promise<void> => {
    const fields = check(given, mode, text);
    setRefusal({ fields, general: null });
    if (Object.keys(fields).length > 0 || isPending) return;
    setPending(true);
    try {
      const username = foldedUsername(given.username);
      const { user } = isNew
        ? await api.register(username, given.password, given.displayName.trim() || undefined)
        : await api.login(username, given.password);
      await onSignedIn(user);
    } catch (error) {
      setRefusal(refusalOf(error, given, words, locale));
      setPending(false);
    }
  };

  return (
    <main class="account">
      <form
        ref={form}
        class="account-box"
        noValidate
        aria-busy={isPending}
        onSubmit={event => {
          event.preventDefault();
          void submit();
        }}
      >
        <img src="/icon.svg" alt="" width="64" height="64" />
        <h1>{isNew ? text.createTitle : text.signInTitle}</h1>
        <p class="account-text">{isNew ? text.createText : text.signInText}</p>
        {reason === 'ended' && (
          <p class="notice" role="status">
            {text.ended}
          </p>
        )}
        <p class="form-problem" role="alert">
          {refusal.general}
        </p>
        <Field
          label={text.username}
          name="username"
          autocomplete="username"
          autocapitalize="none"
          autocorrect="off"
          spellcheck={false}
          autofocus
          readOnly={isPending}
          value={given.username}
          onValue={username => take({ username })}
          problem={refusal.fields.username}
          {...(isNew ? { hint: text.usernameHint } : {})}
        />
        {isNew && (
          <Field
            label={text.displayName}
            name="display-name"
            autocomplete="name"
            dir="auto"
            readOnly={isPending}
            value={given.displayName}
            onValue={displayName => take({ displayName })}
            problem={refusal.fields.displayName}
            hint={text.displayNameHint}
          />
        )}
        <Field
          label={text.password}
          name="password"
          type="password"
          autocomplete={isNew ? 'new-password' : 'current-password'}
          readOnly={isPending}
          value={given.password}
          onValue={password => take({ password })}
          problem={refusal.fields.password}
          {...(isNew ? { hint: text.passwordHint } : {})}
        />
        <Button kind="primary" type="submit" isPending={isPending}>
          {isNew ? text.createAccount : text.signIn}
        </Button>
        <p class="account-other">
          {isNew ? text.toSignIn : text.toCreate}{' '}
          <button
            type="button"
            class="link-button"
            disabled={isPending}
            onClick={() => {
              setMode(isNew ? 'sign-in' : 'create');
              setRefusal(NO_REFUSAL);
              form.current?.querySelector('input')?.focus();
            }}
          >
            {isNew ? text.toSignInAction : text.toCreateAction}
          </button>
        </p>
      </form>
    </main>
  );
}
