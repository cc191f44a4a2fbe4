import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/request';
import { isPassword } from '../account/rules';
import { useClient } from '../context';
import { problemText } from '../problems';
import { Button } from '../widgets/button';
import { Field } from '../widgets/field';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';

interface Problems {
  readonly old?: string;
  readonly fresh?: string;
  readonly general?: string;
}

/** Changes the password. */
export function PasswordSettings(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [problems, setProblems] = useState<Problems>({});
  const [isPending, setPending] = useState(false);

  const submit = async (): Promise<void> => {
    if (old === '') return setProblems({ old: words.account.passwordMissing });
    if (!isPassword(fresh)) return setProblems({ fresh: words.account.passwordWrong });
    setPending(true);
    setProblems({});
    try {
      await client.changePassword(old, fresh);
      setOld('');
      setFresh('');
      showToast(words.settings.passwordChanged);
    } catch (error) {
      const fields = error instanceof ApiError ? error.fields : {};
      if ('old' in fields) setProblems({ old: words.settings.oldWrong });
      else if ('new' in fields) setProblems({ fresh: words.account.passwordWrong });
      else setProblems({ general: problemText(error, words, locale) });
    } finally {
      setPending(false);
    }
  };

  return (
    <form
      class="settings-form"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        void submit();
      }}
    >
      <p class="field-hint">{words.settings.passwordText}</p>
      <p class="form-problem" role="alert">
        {problems.general}
      </p>
      {/* Password managers want to know whose password it is. */}
      <input type="text" autocomplete="username" value={client.profile.value.username} readOnly hidden />
      <Field
        label={words.settings.oldPassword}
        type="password"
        autocomplete="current-password"
        readOnly={isPending}
        value={old}
        onValue={setOld}
        problem={problems.old}
      />
      <Field
        label={words.settings.newPassword}
        type="password"
        autocomplete="new-password"
        hint={words.account.passwordHint}
        readOnly={isPending}
        value={fresh}
        onValue={setFresh}
        problem={problems.fresh}
      />
      <Button kind="primary" type="submit" isPending={isPending}>
        {words.settings.changePassword}
      </Button>
    </form>
  );
}
