import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Settings } from '../../protocol';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { Switch } from '../widgets/switch';
import { useWords } from '../words';
import { BlockedPeople } from './blocked-people';

/** What others see, and who can't write. */
export function PrivacySettings(): JSX.Element {
  const words = useWords().settings;
  return (
    <>
      <PrivacySwitch name="read_receipts" label={words.readReceipts} hint={words.readReceiptsText} />
      <PrivacySwitch name="typing" label={words.typing} hint={words.typingText} />
      <PrivacySwitch name="last_seen" label={words.lastSeen} hint={words.lastSeenText} />
      <BlockedPeople />
    </>
  );
}

interface PrivacySwitchProps {
  name: keyof Settings;
  label: string;
  hint: string;
}

/** It shows what was chosen at once, and goes back where the server does not take it. */
function PrivacySwitch({ name, label, hint }: PrivacySwitchProps): JSX.Element {
  const client = useClient();
  const attempt = useAttempt();
  const [pending, setPending] = useState<boolean | null>(null);
  const change = async (isOn: boolean): Promise<void> => {
    setPending(isOn);
    await attempt(client.changeProfile({ settings: { [name]: isOn } }));
    setPending(null);
  };
  return (
    <Switch
      label={label}
      hint={hint}
      isOn={pending ?? client.profile.value.settings[name]}
      isDisabled={pending !== null}
      onChange={isOn => void change(isOn)}
    />
  );
}
