import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/request';
import type { ChosenPresence } from '../../protocol';
import { useClient } from '../context';
import { problemText } from '../problems';
import { Avatar } from '../widgets/avatar';
import { Button } from '../widgets/button';
import { Choices } from '../widgets/choices';
import { Field } from '../widgets/field';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';

const STATUSES: readonly ChosenPresence[] = ['online', 'away', 'dnd', 'invisible'];

/** The own name and status. */
export function ProfileSettings(): JSX.Element {
  const client = useClient();
  const words = useWords().settings;
  const { username, display_name: name } = client.profile.value;
  return (
    <>
      <div class="settings-person">
        <Avatar username={username} title={name} size={72} />
        <div>
          <p class="settings-name" dir="auto">
            {name}
          </p>
          <p class="settings-username">@{username}</p>
        </div>
      </div>
      <NameForm key={name} name={name} />
      <Choices
        legend={words.status}
        options={STATUSES.map(status => [status, words.statusNames[status], words.statusText[status]])}
        chosen={client.chosenPresence.value}
        onChoose={status => client.choosePresence(status)}
      />
    </>
  );
}

function NameForm({ name }: { name: string }): JSX.Element {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const [text, setText] = useState(name);
  const [problem, setProblem] = useState('');
  const [isPending, setPending] = useState(false);
  const submit = async (): Promise<void> => {
    setPending(true);
    setProblem('');
    try {
      await client.changeProfile({ display_name: text.trim() });
      showToast(words.settings.nameSaved);
    } catch (error) {
      const isWrong = error instanceof ApiError && 'display_name' in error.fields;
      setProblem(isWrong ? words.account.displayNameWrong : problemText(error, words, locale));
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
      <Field
        label={words.settings.displayName}
        hint={words.settings.usernameFixed}
        autocomplete="name"
        dir="auto"
        readOnly={isPending}
        value={text}
        onValue={setText}
        problem={problem}
      />
      <Button kind="primary" type="submit" isPending={isPending} disabled={text.trim() === name}>
        {words.common.save}
      </Button>
    </form>
  );
}
