/** A socket whose server is the test. */

import type { Connect, Ending, Host } from '../../src/link/transport';
import { socketsBy } from '../../src/link/socket';
import type { ClientFrame, ServerFrame, User, WelcomeFrame } from '../../src/protocol';

export const ANN: User = { id: 'u1', username: 'ann', display_name: 'Ann' };

export const WELCOME: WelcomeFrame = {
  type: 'welcome',
  session_id: 's1',
  user: ANN,
  epoch: 'e1',
  heartbeat_ms: 20_000,
  limits: { content_chars: 8_000 },
  server_time: '2026-11-22T10:00:00.000Z',
};

export class FakeSocket extends EventTarget {
  readonly sent: ClientFrame[] = [];
  readyState = 0;
  bufferedAmount = 0;
  /** Whether the client has begun to close it. */
  isClosing = false;

  constructor(
    readonly url: string,
    readonly subprotocol: string,
  ) {
    super();
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame);
  }

  close(): void {
    this.isClosing = true;
    this.readyState = 2;
  }

  /** The handshake is done. */
  accept(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  say(frame: ServerFrame): void {
    this.sayRaw(JSON.stringify(frame));
  }

  sayRaw(data: unknown): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data }));
  }

  welcome(): void {
    this.say(WELCOME);
  }

  catchUp(): void {
    this.say({ type: 'caught_up', replayed: 0, cursors: {} });
  }

  /** All that it takes to be open. */
  open(): void {
    this.accept();
    this.welcome();
    this.catchUp();
  }

  /** The connection is over, with that close code. */
  drop(code: number, reason = ''): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason }));
  }

  /** Frames of a type that the client sent. */
  sentOf<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.sent.filter(frame => frame.type === type) as Extract<ClientFrame, { type: T }>[];
  }
}

/** Makes sockets and remembers them. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  /** Whether the browser refuses to make a socket at all. */
  isForbidden = false;

  readonly connect: Connect = socketsBy((url, subprotocol) => {
    if (this.isForbidden) throw new DOMException('not here', 'SecurityError');
    const socket = new FakeSocket(url, subprotocol);
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  });

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was made');
    return socket;
  }
}

/** An owner of transports that notes what it is told. */
export class FakeHost implements Host {
  readonly frames: { frame: ServerFrame; isLive: boolean }[] = [];
  readonly endings: Ending[] = [];
  opened = 0;
  epoch: string | undefined = 'e1';
  cursors: Record<string, number> = { c1: 7 };
  usernames: string[] = ['ben'];

  hello() {
    const epoch = this.epoch === undefined ? {} : { epoch: this.epoch };
    return { type: 'hello', v: 1, device_id: 'd1', cursors: this.cursors, ...epoch } as const;
  }

  user(): User {
    return ANN;
  }

  watched(): string[] {
    return this.usernames;
  }

  onFrame(frame: ServerFrame, isLive: boolean): void {
    this.frames.push({ frame, isLive });
  }

  readonly onOpen = (): void => {
    this.opened += 1;
  };

  readonly onEnd = (ending: Ending): void => {
    this.endings.push(ending);
  };

  /** Frames of a type that came, in order. */
  got<T extends ServerFrame['type']>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.frames.map(({ frame }) => frame).filter(frame => frame.type === type) as Extract<
      ServerFrame,
      { type: T }
    >[];
  }
}
