/** A client for browsers and Node: subscriptions that resume by themselves. */

/** Ways to subscribe, by the first segment of their path. */
export type Transport = 'websocket' | 'eventsource' | 'longpoll';

/** A token, or a function that returns a valid one; it is asked again when that one runs out. */
export type TokenSource = string | (() => string | Promise<string>);

/** Limits and waits of a client; every wait has one. */
export interface ClientOptions {
  /** Token of the subscriber; none for public channels. */
  token?: TokenSource;
  /** Ways to subscribe, the best first; the next is tried where one does not get through. */
  transports?: readonly Transport[];
  /** Seconds for a connection to be made and answered, and for a token to be had. Default 10. */
  connectTimeoutS?: number;
  /**
   * Seconds of silence after which a WebSocket is asked for a sign of life; half as much again, and
   * it counts as dead. Default 20.
   */
  heartbeatS?: number;
  /**
   * Seconds of silence after which an event stream counts as dead, and longest wait for the answer
   * of a long poll; longer than the broker holds one. Default 90.
   */
  silenceS?: number;
  /** Longest wait before the first retry after a connection that held, in seconds. Default 1. */
  quickRetryS?: number;
  /**
   * Shortest and longest wait before every other retry, in seconds; what the broker asks for is
   * heeded up to the longest. Default 20 and 30.
   */
  retryS?: readonly [number, number];
  /** Seconds before its end at which a token of a function is replaced. Default 30. */
  renewS?: number;
  /** Characters of one event of an event stream; a longer one ends the subscription. */
  maxMessageLength?: number;
  /** Characters of the answer to one poll; a longer one ends the subscription. */
  maxAnswerLength?: number;
  /** Frames of a WebSocket that may wait to be taken; at the limit it is closed, and resumed. */
  maxWaitingFrames?: number;
}

/** Place in a tenant's stream after which messages are wanted; orders by time, then tag. */
export class Cursor {
  constructor(time: number, tag: number);
  /** Read `<time>-<tag>`. */
  static parse(text: string): Cursor;
  /** Read the `time` and `tag` of an envelope, or `Last-Modified` and `ETag`. */
  static of(time: string | null, tag: string | null): Cursor | null;
  /** Whole seconds since the epoch. */
  readonly time: number;
  /** Rank among the messages of that second, from 1. */
  readonly tag: number;
  /** The time as an HTTP date. */
  readonly httpDate: string;
  isAfter(other: Cursor): boolean;
  /** `<time>-<tag>`, as `Cursor.parse` and `subscribe` read it. */
  toString(): string;
  toJSON(): string;
}

/** A message of a channel. */
export interface Message<T = unknown> {
  /** Number of the message in its channel, contiguous from 1. */
  id: number;
  /** The channel through which this copy arrived. */
  channel: string;
  /** The payload. */
  message: T;
  /** Place to come back to after this message. */
  cursor: Cursor;
}

/** Messages after a cursor are no longer kept, or were left out. */
export interface Gap {
  /** Where; empty where the broker did not say, as to polls. */
  channel: string;
  /** The subscription's cursor. */
  after: Cursor;
  /** Cursor of the first message that is still kept. */
  first: Cursor;
  /** How many were left out for a slow reader of a conflated channel; 0: they are no longer kept. */
  skipped: number;
}

/** How a subscription stands. */
export interface State {
  /**
   * `connecting`, `connected`; `blocked`: the transport does not get through, the next is tried;
   * `waiting` to come back; `refused`, which is also thrown; `closed`, by the caller.
   */
  state: 'connecting' | 'connected' | 'blocked' | 'waiting' | 'refused' | 'closed';
  /** The transport that is or was tried. */
  transport: Transport;
  /** Why, for a person; empty where nothing is wrong. */
  reason: string;
  /** Seconds until the next try. */
  waitS: number;
}

export interface SubscribeOptions {
  /** Place to go on from; without, only what comes from now on. */
  cursor?: Cursor | string | null;
  /** Is told of messages that are no longer kept; without it, gaps are reported on the console. */
  onGap?: ((gap: Gap) => void | Promise<void>) | null;
  /** Is told how the subscription stands, at every change. */
  onState?: ((state: State) => void) | null;
}

/** An async iterator over the messages of some channels: in order, each once. */
export class Subscription<T = unknown> implements AsyncIterableIterator<Message<T>> {
  private constructor();
  readonly channels: readonly string[];
  /** Place after the last message that was handed out; null until it is known. */
  readonly cursor: Cursor | null;
  /** Find the place: what is published from then on arrives. */
  ready(): Promise<this>;
  /**
   * Wait for the next message.
   *
   * @throws {Refused} the broker says no, and would again.
   * @throws {Unreadable} a message is longer than the limit.
   */
  next(): Promise<IteratorResult<Message<T>, undefined>>;
  return(): Promise<IteratorResult<Message<T>, undefined>>;
  [Symbol.asyncIterator](): this;
  /** End it; who waits for a message gets none. */
  close(): void;
}

/** A broker, as subscribers use it. */
export class Client {
  /**
   * @param url Where subscribers connect; by default where this file came from.
   * @throws {TypeError} the address cannot be used.
   * @throws {RangeError} an option cannot be used.
   */
  constructor(url?: string | URL, options?: ClientOptions);
  /** Subscribe; nothing is sent before the first message is waited for, or `ready()`. */
  subscribe<T = unknown>(
    channels: string | readonly string[],
    options?: SubscribeOptions,
  ): Subscription<T>;
  /** End every subscription. */
  close(): void;
}

/** Base of everything that the client throws by itself. */
export class ClientError extends Error {}

/** The broker refuses what was asked for; asking again would not help. */
export class Refused extends ClientError {
  /** HTTP status. */
  readonly status: number;
  /** One sentence on what was wrong. */
  readonly detail: string;
  /** Members of the problem document, where there was one (RFC 9457). */
  readonly problem: Readonly<Record<string, unknown>>;
}

/** The token is missing, bad, expired or revoked. */
export class Unauthorized extends Refused {}

/** What came is nothing that a broker says, or longer than the limit. */
export class Unreadable extends ClientError {}
