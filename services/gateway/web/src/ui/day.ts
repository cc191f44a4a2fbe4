import { useEffect, useState } from 'preact/hooks';
import { dayOf } from '../text/format';

const LOOK_EVERY_MS = 30_000;

/** The local day ("2026-11-22"); whoever calls it is rendered anew when the next one begins. */
export function useDay(): string {
  const [day, setDay] = useState(() => dayOf(new Date()));
  useEffect(() => {
    const timer = setInterval(() => setDay(dayOf(new Date())), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return day;
}
