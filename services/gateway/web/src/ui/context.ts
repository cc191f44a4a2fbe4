import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Client } from '../app/client';

export const ClientContext = createContext<Client | null>(null);

/** The client of whoever is signed in; only below `ClientContext.Provider`. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('useClient() needs a ClientContext.Provider above it');
  return client;
}
