// The client of this broker: import { Client } from '/client.js'. See docs/reference/clients.md.
// Made of clients/js/src by `make docs`. MIT licence.

/** How long to wait before coming back. */

/** Seconds that a connection must have held for the next retry to be a quick one. */
const STEADY_S = 5;

/**
 * The waits of one subscription.
 *
 * A connection that held is made anew within a moment, because restarts are short; after that the
 * waits are long and random, so that a crowd does not come back at once (D49).
 */
class Backoff {
  #options;
  #random;
  #quick = true;

  /**
   * @param {{retryS: number[], quickRetryS: number}} options Shortest and longest waits.
   * @param {() => number} random Gives a number from 0 to 1.
   */
  constructor(options, random = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * Take note of how long a connection held.
   *
   * @param {number} seconds
   */
  held(seconds) {
    if (seconds >= STEADY_S) this.#quick = true;
  }

  /**
   * Return the seconds to wait now.
   *
   * @param {number | null} askedS What the broker asks for; heeded up to the longest wait.
   */
  nextS(askedS = null) {
    const quick = this.#quick;
    this.#quick = false;
    const [shortest, longest] = this.#options.retryS;
    if (askedS !== null) return Math.min(askedS, longest);
    if (quick) return this.#random() * Math.min(this.#options.quickRetryS, longest);
    return shortest + this.#random() * (longest - shortest);
  }
}

/**
 * The errors of the client.
 *
 * - `ClientError`
 *   - `Refused`: the broker says no, and would again
 *     - `Unauthorized`: because of the token
 *   - `Lost`: a connection could not be made, or ended; subscriptions deal with it themselves
 *   - `Blocked`: a transport does not get through to the broker; likewise
 *   - `Unreadable`: what came is nothing that a broker says
 *
 * No text of theirs holds a token or a payload.
 */

/** Base of everything that the client throws by itself. */
class ClientError extends Error {
  constructor(text) {
    super(text);
    this.name = new.target.name;
  }
}

/** The broker refuses what was asked for; asking again would not help. */
class Refused extends ClientError {
  /**
   * @param {number} status HTTP status.
   * @param {string} detail One sentence on what was wrong.
   * @param {object} problem Members of the problem document, where there was one (RFC 9457).
   */
  constructor(status, detail, problem = {}) {
    super(`${detail} (${status})`);
    this.status = status;
    this.detail = detail;
    this.problem = problem;
  }
}

/** The token is missing, bad, expired or revoked. */
class Unauthorized extends Refused {}

/** A connection could not be made, or ended; coming back can help. */
class Lost extends ClientError {
  /**
   * @param {string} reason What happened.
   * @param {number | null} retryAfterS Seconds that the broker asks to wait, if it does.
   */
  constructor(reason, retryAfterS = null) {
    super(reason);
    this.retryAfterS = retryAfterS;
  }
}

/** Something between client and broker does not let a transport pass. */
class Blocked extends ClientError {}

/** What came is nothing that a broker says, or longer than the limit. */
class Unreadable extends ClientError {}

/** The cursor: a place in a tenant's stream of messages. */


const CURSOR = /^(\d{1,12})-(\d{1,15})$/;
const TAG = /^(?:W\/)?"?(\d{1,15})"?$/;

/** Place after which messages are wanted; orders by time, then tag. It never changes. */
class Cursor {
  /**
   * @param {number} time Whole seconds since the epoch.
   * @param {number} tag Rank among the messages of that second, from 1; 0 is its start.
   */
  constructor(time, tag) {
    this.time = time;
    this.tag = tag;
    Object.freeze(this);
  }

  /**
   * Read `<time>-<tag>`.
   *
   * @param {string} text
   * @throws {Unreadable} it has another form.
   */
  static parse(text) {
    const match = CURSOR.exec(text);
    if (match === null) throw new Unreadable('a cursor is <seconds>-<tag>, as 1447516314-21');
    return new Cursor(Number(match[1]), Number(match[2]));
  }

  /**
   * Read the `time` and `tag` of an envelope, or `Last-Modified` and `ETag` (D22, D44).
   *
   * @param {string | null} time An HTTP date.
   * @param {string | null} tag
   * @returns {Cursor | null} null where there is none.
   * @throws {Unreadable} it cannot be read.
   */
  static of(time, tag) {
    if (!time || !tag) return null;
    const seconds = Date.parse(time) / 1000;
    const match = TAG.exec(tag);
    if (!Number.isInteger(seconds) || match === null) {
      throw new Unreadable('the time and tag of a message cannot be read');
    }
    return new Cursor(seconds, Number(match[1]));
  }

  /**
   * Tell whether this one is later.
   *
   * @param {Cursor} other
   */
  isAfter(other) {
    return this.time === other.time ? this.tag > other.tag : this.time > other.time;
  }

  /** The time as an HTTP date. */
  get httpDate() {
    return new Date(this.time * 1000).toUTCString();
  }

  toString() {
    return `${this.time}-${this.tag}`;
  }

  toJSON() {
    return this.toString();
  }
}

/** Server-sent events, read from text as it comes. */


/**
 * Splits a stream into the data of its events.
 *
 * Names and ids are left out: what an event is shows in its data.
 *
 * Source: WHATWG HTML, section 9.2.6; the decoder takes a byte order mark off.
 */
class EventReader {
  #limit;
  #held = ''; // what can only be told with the next piece
  #line = []; // pieces of a line that is not whole yet
  #lineLength = 0;
  #data = [];
  #length = 0;

  /** What the stream last asked to wait before a reconnect; null until it does. */
  retryS = null;

  /** @param {number} limit Characters of one event at most. */
  constructor(limit) {
    this.#limit = limit;
  }

  /**
   * Take a piece of the stream; return the data of every event that is whole now.
   *
   * @param {string} piece
   * @throws {Unreadable} an event is longer than the limit.
   */
  feed(piece) {
    const lines = this.#unified(piece).split('\n');
    const rest = lines.pop();
    const whole = [];
    for (const end of lines) {
      const line = this.#finished(end);
      if (line) this.#take(line);
      else if (this.#data.length) {
        whole.push(this.#data.join('\n'));
        this.#data = [];
        this.#length = 0;
      }
    }
    this.#line.push(rest);
    this.#lineLength += rest.length;
    this.#check(this.#lineLength);
    return whole;
  }

  /** Return text with line feeds alone for line ends; each character is looked at once. */
  #unified(piece) {
    let text = this.#held + piece;
    this.#held = '';
    if (text.endsWith('\r')) { // its line feed may come next
      text = text.slice(0, -1);
      this.#held = '\r';
    }
    return text.replace(/\r\n?/g, '\n');
  }

  /** Return the line that ends with this piece. */
  #finished(end) {
    const line = this.#line.join('') + end;
    this.#line = [];
    this.#lineLength = 0;
    return line;
  }

  #take(line) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#data.push(value);
      this.#length += value.length;
      this.#check(0);
    } else if (field === 'retry' && /^\d+$/.test(value)) {
      this.retryS = Number(value) / 1000;
    }
  }

  #check(more) {
    if (this.#length + more > this.#limit) {
      throw new Unreadable(`an event is longer than ${this.#limit} characters`);
    }
  }
}

/**
 * What a subscription is told, as plain objects with a `kind`.
 *
 * - `message`: `{id, channel, message, cursor}`
 * - `gap`: `{channel, after, first, skipped}`; messages after a cursor are no longer kept (P3), or so
 *   many were left out
 * - `moved`: `{cursor}`; everything up to here has arrived
 * - `farewell`: `{status, reason, cursor}`; why a connection is about to end
 */


/** Its messages are made by the node, between others: they share cursors with them (D24). */
const PING_CHANNEL = 'ping';

/** Close codes of the broker's own are the HTTP status on top of this. */
const OWN_CODES = 3000;

const GAP_ID = -3;

/**
 * Read frames, the data of events or lines of a poll.
 *
 * What cannot be read is reported on the console and left out: it would come again on every
 * connection.
 *
 * @param {string[]} texts
 */
function readEvents(texts) {
  const events = [];
  for (const text of texts) {
    try {
      events.push(readEvent(text));
    } catch (error) {
      console.error(`a message of ${text.length} characters was left out: ${error.message}`);
    }
  }
  return events;
}

/**
 * Read one of them.
 *
 * @param {string} text
 * @throws {Unreadable} it is none of these.
 */
function readEvent(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable('what came is no JSON'); // the parser's own text quotes the payload
  }
  const event = isObject(value) ? eventOf(value) : null;
  if (event === null) throw new Unreadable('what came is no envelope');
  return event;
}

/**
 * Read the close frame of a WebSocket.
 *
 * @param {number} code Close code.
 * @param {string} reason JSON with `cursor` and `retry_after`, or any text.
 * @returns {{cursor: Cursor | null, status: number, retryAfterS: number | null}}
 */
function readClose(code, reason) {
  const status = code > OWN_CODES && code < OWN_CODES + 1000 ? code - OWN_CODES : 0;
  try {
    const told = JSON.parse(reason);
    const retryAfterS = typeof told.retry_after === 'number' ? told.retry_after : null;
    return { status, retryAfterS, cursor: Cursor.parse(told.cursor) };
  } catch {
    return { status, retryAfterS: null, cursor: null };
  }
}

/**
 * Return what the end of a connection means: that coming back helps, or that it does not.
 *
 * @param {number} status HTTP status of the reason, 0 where there is none.
 * @param {string} reason One sentence for a person.
 * @param {number | null} retryAfterS Seconds that the broker asks to wait, if it does.
 */
function errorOf(status, reason, retryAfterS = null) {
  if (status === 401) return new Unauthorized(status, reason);
  if (status === 403) return new Refused(status, reason);
  return new Lost(reason, retryAfterS);
}

function eventOf(value) {
  if ('id' in value && 'channel' in value) {
    return value.id === GAP_ID && isObject(value.message?.gap)
      ? gapOf({ channel: value.channel, ...value.message.gap })
      : messageOf(value);
  }
  if (isObject(value.error)) {
    const { status, message } = value.error;
    return { kind: 'farewell', status, reason: String(message), cursor: placeOf(value) };
  }
  if (isObject(value.refreshed)) return { kind: 'moved', cursor: placeOf(value), refreshed: true };
  if ('after' in value && 'first' in value) return gapOf(value);
  if ('cursor' in value) {
    const { status = 0, message = 'the stream ended', cursor } = value;
    return { kind: 'farewell', status, reason: String(message), cursor: Cursor.parse(cursor) };
  }
  return null;
}

function messageOf(value) {
  if (!Number.isInteger(value.id) || !('message' in value)) return null;
  const { id, channel, message } = value;
  return { kind: 'message', id, channel, message, cursor: placeOf(value) };
}

function gapOf({ channel, after, first, skipped = 0 }) {
  return { kind: 'gap', channel, after: Cursor.parse(after), first: Cursor.parse(first), skipped };
}

function placeOf({ time, tag }) {
  const cursor = Cursor.of(time, tag);
  if (cursor === null) throw new Unreadable('what came carries no cursor');
  return cursor;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The public listener of a broker: its URLs, and what its answers mean. */


const SCHEMES = { 'http:': 'http:', 'https:': 'https:', 'ws:': 'http:', 'wss:': 'https:' };
const PROBLEM_TYPE = 'application/problem+json';

/** Where a broker is, and how requests to it are made. */
class Site {
  /**
   * @param {string | URL} url `http(s)://…` or `ws(s)://…` (D9).
   * @throws {TypeError} it is none of these.
   */
  constructor(url) {
    const { protocol, host, pathname, search, hash, username } = new URL(url);
    if (!(protocol in SCHEMES)) throw new TypeError('an address is http(s)://… or ws(s)://…');
    if (search || hash || username) {
      throw new TypeError('an address holds no user, query or fragment; a token is given apart');
    }
    this.base = `${SCHEMES[protocol]}//${host}${pathname.replace(/\/+$/, '')}`;
  }

  /**
   * Return a URL.
   *
   * @param {string} mode First segment of the path (D10).
   * @param {readonly string[]} channels The further ones (D12).
   */
  url(mode, channels) {
    return [this.base, mode, ...channels.map(encodeURIComponent)].join('/');
  }

  /**
   * Return the URL of a WebSocket, which takes no headers from a page (D5, D14, D45).
   *
   * @param {{channels: readonly string[], token: string, cursor: object | null}} ask
   */
  socketUrl({ channels, token, cursor }) {
    const query = new URLSearchParams({ notices: 'gap' });
    if (token) query.set('auth_token', token);
    if (cursor) {
      query.set('tag', String(cursor.tag));
      query.set('time', cursor.httpDate);
    }
    return `${this.url('websocket', channels).replace(/^http/, 'ws')}?${query}`;
  }

  /**
   * Ask over HTTP.
   *
   * Token and cursor are headers: the URL stays the same, so that logs keep no token and browsers
   * remember the preflight.
   *
   * @param {string} mode
   * @param {{channels: readonly string[], token: string, cursor: object | null}} ask
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  get(mode, { channels, token, cursor }, signal) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (cursor) headers['Last-Event-ID'] = String(cursor);
    return fetch(this.url(mode, channels), {
      headers,
      signal,
      cache: 'no-store',
      redirect: 'error',
    });
  }
}

/**
 * Return what an answer means that is not the one that was hoped for.
 *
 * @param {Response} response
 * @param {boolean} mayBlock Whether an answer that is none of a broker's says that the transport
 *   does not get through; otherwise it is a refusal.
 */
async function refusal(response, mayBlock) {
  const { status, headers } = response;
  const isProblem = (headers.get('Content-Type') ?? '').startsWith(PROBLEM_TYPE);
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const detail = String(problem.detail || response.statusText || 'refused');
  if (status === 408 || status === 429 || status >= 500) {
    return new Lost(`${detail} (${status})`, retryAfterS(headers));
  }
  if (mayBlock && !isProblem) return new Blocked(`answered with ${status}`);
  return status === 401
    ? new Unauthorized(status, detail, problem)
    : new Refused(status, detail, problem);
}

function retryAfterS(headers) {
  const text = headers.get('Retry-After') ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** Waits that can be cut short. */

/** Seconds on a clock that is never set. */
function nowS() {
  return performance.now() / 1000;
}

/**
 * Wait; ends early, and as well, when the signal is given.
 *
 * @param {number} seconds
 * @param {AbortSignal} signal
 */
function pause(seconds, signal) {
  if (signal.aborted || seconds <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    signal.addEventListener('abort', end);
  });
}

/** Aborts a request that brings nothing for too long. */
class Watchdog {
  #controller;
  #timer;

  /** @param {AbortController} controller What is aborted. */
  constructor(controller) {
    this.#controller = controller;
    this.bit = false;
  }

  /**
   * Expect a sign of life within this time, from now on.
   *
   * @param {number} seconds
   */
  expect(seconds) {
    this.stop();
    this.#timer = setTimeout(() => {
      this.bit = true;
      this.#controller.abort();
    }, seconds * 1000);
  }

  /** Expect nothing any more. */
  stop() {
    clearTimeout(this.#timer);
  }
}

/** A subscription over server-sent events. */


const EVENT_TYPE = 'text/event-stream';

/**
 * An event stream; read by `fetch`, because `EventSource` neither takes a token as a header nor
 * says why it failed.
 */
class EventSourceLink {
  #site;
  #ask;
  #options;
  #controller = new AbortController();
  #watchdog = new Watchdog(this.#controller);
  #events;
  #reader = null;
  #came = false;
  #end = null;

  constructor(site, ask, _tokens, options) {
    this.#site = site;
    this.#ask = ask;
    this.#options = options;
    this.#events = new EventReader(options.maxMessageLength);
  }

  /** The token that was sent. */
  get token() {
    return this.#ask.token;
  }

  /** Ask for the stream and read the head of the answer. */
  async open() {
    this.#watchdog.expect(this.#options.connectTimeoutS);
    const response = await this.#site
      .get('eventsource', this.#ask, this.#controller.signal)
      .catch(() => {
        throw new Lost(this.#watchdog.bit ? 'no answer in time' : 'the broker cannot be reached');
      });
    if (response.status !== 200) throw await refusal(response, true);
    const type = (response.headers.get('Content-Type') ?? '').split(';')[0];
    if (type !== EVENT_TYPE || response.body === null) {
      throw new Blocked(`answered with ${type || 'no type'}`);
    }
    this.#watchdog.expect(this.#options.silenceS);
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Wait for a piece; return the events that it completes, perhaps none.
   *
   * A stream on which nothing ever comes is held back by something in between.
   */
  async receive() {
    if (this.#end !== null) throw this.#end;
    const piece = await this.#read();
    this.#came = true;
    this.#watchdog.expect(this.#options.silenceS);
    return readEvents(this.#events.feed(piece)).map((event) => this.#told(event));
  }

  /** Hang up. */
  close() {
    this.#watchdog.stop();
    this.#controller.abort();
  }

  async #read() {
    try {
      const { value, done } = await this.#reader.read();
      if (!done) return value;
      throw new Lost('the stream ended');
    } catch (error) {
      if (error instanceof ClientError) throw error;
      if (!this.#watchdog.bit) throw new Lost('the stream was cut');
      throw this.#came ? new Lost('the stream fell silent') : new Blocked('nothing came');
    }
  }

  #told(event) {
    if (event.kind !== 'farewell') return event;
    this.#end = errorOf(event.status, event.reason, this.#events.retryS);
    return { kind: 'moved', cursor: event.cursor };
  }
}

/** A subscription over long polls. */


const GAP_HEADER = 'X-Broker-Gap';

/** Shortest time between two polls that bring nothing: an answer that should have been held. */
const EMPTY_PAUSE_S = 1;

/** Long polls, one after the other, each with the cursor of the answer before it (D44, D47). */
class LongPollLink {
  #site;
  #ask;
  #tokens;
  #options;
  #notBefore = 0;
  #closing = new AbortController();

  constructor(site, ask, tokens, options) {
    this.#site = site;
    this.#ask = ask;
    this.#tokens = tokens;
    this.#options = options;
  }

  /** The token that was last sent. */
  get token() {
    return this.#ask.token;
  }

  /** Do nothing: the first poll connects. */
  async open() {}

  /** Poll once. */
  async receive() {
    await pause(this.#notBefore - nowS(), this.#closing.signal);
    this.#ask = { ...this.#ask, token: await this.#tokens.current() };
    const began = nowS();
    const [events, cursor] = await poll(
      this.#site,
      'longpoll',
      this.#ask,
      this.#options.silenceS,
      this.#options,
      this.#closing.signal,
    );
    this.#notBefore = events.length ? 0 : began + EMPTY_PAUSE_S;
    if (cursor !== null) {
      this.#ask = { ...this.#ask, cursor };
      events.push({ kind: 'moved', cursor });
    }
    return events;
  }

  /** Give up the poll under way. */
  close() {
    this.#closing.abort();
  }
}

/**
 * Ask once.
 *
 * @param {import('./site.js').Site} site
 * @param {'longpoll' | 'shortpoll'} mode
 * @param {object} ask
 * @param {number} timeoutS Seconds that the answer may take.
 * @param {object} options
 * @param {AbortSignal} signal Gives it up.
 * @returns {Promise<[object[], Cursor | null]>} What came, and the cursor to poll with next.
 * @throws {Refused} the broker says no.
 * @throws {Lost} it cannot be reached now.
 * @throws {Blocked} polls do not get through.
 * @throws {Unreadable} the answer is longer than the limit, or its cursor cannot be read.
 */
async function poll(site, mode, ask, timeoutS, options, signal) {
  if (signal.aborted) throw new Lost('the poll was given up');
  const controller = new AbortController();
  const giveUp = () => controller.abort();
  signal.addEventListener('abort', giveUp);
  const watchdog = new Watchdog(controller);
  watchdog.expect(timeoutS);
  try {
    const response = await site.get(mode, ask, controller.signal);
    if (response.status !== 200 && response.status !== 304) {
      throw await refusal(response, mode === 'longpoll');
    }
    const [lines, whole] = await readLines(response, options.maxAnswerLength);
    const events = [...gapsIn(response.headers, ask.cursor), ...readEvents(lines)];
    const told = whole ? cursorOf(response.headers) : null;
    // Something in between may take `ETag` away: then the messages say where they end.
    return [events, told ?? lastCursor(events)];
  } catch (error) {
    if (error instanceof ClientError) throw error;
    throw new Lost(watchdog.bit ? 'no answer in time' : 'the broker cannot be reached');
  } finally {
    watchdog.stop();
    signal.removeEventListener('abort', giveUp);
    controller.abort();
  }
}

/**
 * Read the messages of an answer, a line each (D48).
 *
 * @returns The lines, and whether they are all: of an answer that is cut short the whole lines
 *   count, so that a line that never carries an answer to its end still brings messages.
 */
async function readLines(response, limit) {
  if (response.body === null) return [[], true];
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let whole = true;
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      text += value;
      if (text.length > limit) throw new Unreadable(`an answer is longer than ${limit} characters`);
    }
  } catch (error) {
    if (error instanceof ClientError || !text.includes('\n')) throw error;
    whole = false;
  }
  const lines = text.split('\n').slice(0, -1);
  return [lines.filter((line) => line), whole];
}

function lastCursor(events) {
  return events.findLast((event) => event.kind === 'message')?.cursor ?? null;
}

function cursorOf(headers) {
  return Cursor.of(headers.get('Last-Modified'), headers.get('ETag'));
}

function gapsIn(headers, after) {
  const first = headers.get(GAP_HEADER);
  if (first === null) return [];
  const place = after ?? new Cursor(0, 0);
  return [{ kind: 'gap', channel: '', after: place, first: Cursor.parse(first), skipped: 0 }];
}

/** The client's limits and waits; what they mean stands in `index.d.ts`. */

const DEFAULTS = {
  transports: ['websocket', 'eventsource', 'longpoll'],
  connectTimeoutS: 10,
  heartbeatS: 20,
  silenceS: 90,
  quickRetryS: 1,
  retryS: [20, 30],
  renewS: 30,
  maxMessageLength: 4 * 2 ** 20,
  maxAnswerLength: 64 * 2 ** 20,
  maxWaitingFrames: 1000,
};

/**
 * Fill in what is not given.
 *
 * @param {object} given
 * @throws {RangeError} a name is not known, there is no transport, or waits are upside down.
 */
function readOptions(given) {
  const unknown = Object.keys(given).filter((name) => !(name in DEFAULTS));
  if (unknown.length) throw new RangeError(`unknown options: ${unknown.join(', ')}`);
  const options = { ...DEFAULTS, ...given };
  const strange = options.transports.filter((name) => !DEFAULTS.transports.includes(name));
  if (!options.transports.length || strange.length) {
    throw new RangeError(`transports are some of ${DEFAULTS.transports.join(', ')}`);
  }
  const [shortest, longest] = options.retryS;
  if (!(shortest >= 0 && shortest <= longest)) {
    throw new RangeError('retryS: the shortest wait comes first');
  }
  return Object.freeze(options);
}

/** A subscription: messages in order, each once, over connections that come and go. */


/** Seconds after which a connection that has to be made anyway is made the best way once more. */
const BETTER_AFTER_S = 600;

/**
 * An async iterator over the messages of some channels.
 *
 * A connection that ends is made anew at the cursor of the last message that was handed out, so
 * that each message is handed out once and in order. What waits to be taken is bounded; who takes
 * messages slowly slows down its own connection alone.
 */
class Subscription {
  #dialer;
  #tokens;
  #backoff;
  #transports;
  #onGap;
  #onState;
  #choice = 0;
  #chosenAt = 0;
  #link = null;
  #openedAt = 0;
  #token = '';
  #renewed = false;
  #waiting = [];
  #closing = new AbortController();
  #turn = Promise.resolve();

  /**
   * Made by `Client.subscribe`.
   *
   * @param {readonly string[]} channels
   * @param {object} parts `cursor`, `onGap`, `onState`, `dialer`, `tokens`, `backoff`,
   *   `transports`.
   */
  constructor(channels, { cursor, onGap, onState, dialer, tokens, backoff, transports }) {
    this.channels = channels;
    this.cursor = cursor;
    this.#onGap = onGap;
    this.#onState = onState;
    this.#dialer = dialer;
    this.#tokens = tokens;
    this.#backoff = backoff;
    this.#transports = transports;
  }

  /** Find the place: what is published from then on arrives. */
  ready() {
    return this.#inTurn(async () => {
      while (this.cursor === null && !this.#closed) await this.#guarded(() => this.#findPlace());
      return this;
    });
  }

  /** Wait for the next message (async iterator). */
  next() {
    return this.#inTurn(() => this.#next());
  }

  /** End it (async iterator): a `for await` that is left does so. */
  async return() {
    this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** End the subscription; who waits for a message gets none. */
  close() {
    if (this.#closed) return;
    this.#closing.abort();
    this.#waiting = [];
    this.#drop();
    this.#tell('closed');
  }

  get #closed() {
    return this.#closing.signal.aborted;
  }

  /** Run calls one after the other, however they come. */
  #inTurn(step) {
    const result = this.#turn.then(step);
    this.#turn = result.then(() => {}, () => {});
    return result;
  }

  async #next() {
    while (!this.#closed) {
      while (this.#waiting.length) {
        const message = await this.#take(this.#waiting.shift());
        if (message !== null) return { value: message, done: false };
      }
      await this.#guarded(() => this.#receive());
    }
    return { value: undefined, done: true };
  }

  // --- what comes --------------------------------------------------------------------------

  /** Take what came; return the message to hand out, if it is one. */
  async #take(event) {
    if (event.kind === 'gap') await this.#tellGap(event);
    if (event.kind === 'moved') this.#move(event.cursor);
    if (event.kind !== 'message') return null;
    const { id, channel, message, cursor } = event;
    const again = this.cursor !== null && !cursor.isAfter(this.cursor);
    if (again && channel !== PING_CHANNEL) return null;
    this.#move(cursor);
    return { id, channel, message, cursor };
  }

  #move(cursor) {
    if (cursor !== null && (this.cursor === null || cursor.isAfter(this.cursor))) {
      this.cursor = cursor;
    }
  }

  async #tellGap({ channel, after, first, skipped }) {
    const why = skipped ? `${skipped} left out` : 'no longer kept';
    if (this.#onGap) await this.#onGap({ channel, after, first, skipped });
    else console.warn(`messages after ${after} are missing, up to ${first}: ${why}`);
  }

  #tell(state, reason = '', waitS = 0) {
    this.#onState?.({ state, transport: this.#transport, reason, waitS });
  }

  // --- connections -------------------------------------------------------------------------

  /** Take a step; where a connection fails, make ready for the next one. */
  async #guarded(step) {
    try {
      try {
        await step();
      } catch (error) {
        if (!(error instanceof Unauthorized) || this.#closed) throw error;
        await this.#renew(error);
      }
    } catch (error) {
      this.#drop();
      if (this.#closed) return;
      if (error instanceof Blocked) await this.#chooseNext(error);
      else if (error instanceof Lost) await this.#wait(error, error.retryAfterS);
      else {
        this.#tell('refused', error instanceof ClientError ? error.message : error?.name);
        throw error;
      }
    }
  }

  async #receive() {
    if (this.#link === null) await this.#connect();
    if (this.#link === null) return;
    const events = await this.#link.receive();
    if (this.#closed) return;
    this.#waiting.push(...events);
    if (events.some((event) => event.kind !== 'moved')) this.#renewed = false;
  }

  async #connect() {
    this.#tell('connecting');
    if (this.cursor === null) await this.#findPlace();
    const { channels, cursor } = this;
    const ask = { channels, cursor, token: await this.#currentToken() };
    if (this.#closed) return;
    const link = this.#dialer.link(this.#transport, ask);
    const giveUp = () => link.close();
    this.#closing.signal.addEventListener('abort', giveUp);
    try {
      await link.open();
    } catch (error) {
      link.close();
      throw error;
    } finally {
      this.#closing.signal.removeEventListener('abort', giveUp);
    }
    if (this.#closed) {
      link.close();
      return;
    }
    this.#link = link;
    this.#openedAt = nowS();
    this.#tell('connected');
  }

  async #findPlace() {
    const ask = { channels: this.channels, cursor: null, token: await this.#currentToken() };
    this.cursor = await this.#dialer.place(ask, this.#closing.signal);
  }

  async #currentToken() {
    this.#token = await this.#tokens.current();
    return this.#token;
  }

  /** Get another token; one that is refused at once is given up. */
  async #renew(error) {
    const heldS = this.#link === null ? 0 : nowS() - this.#openedAt;
    const refused = this.#link?.token ?? this.#token;
    this.#drop();
    if (this.#renewed && heldS < STEADY_S) throw error;
    await this.#tokens.renew(refused, error);
    this.#renewed = true;
  }

  // --- between connections -----------------------------------------------------------------

  get #transport() {
    return this.#transports[this.#choice % this.#transports.length];
  }

  /** Go on with the next transport at once; behind the last one, wait and begin again. */
  async #chooseNext(error) {
    this.#tell('blocked', error.message);
    this.#choice += 1;
    this.#chosenAt = nowS();
    if (this.#choice % this.#transports.length === 0) await this.#wait(error);
  }

  async #wait(error, askedS = null) {
    const waitS = this.#backoff.nextS(askedS);
    this.#tell('waiting', error.message, waitS);
    await pause(waitS, this.#closing.signal);
    if (nowS() - this.#chosenAt > BETTER_AFTER_S) this.#choice = 0;
  }

  #drop() {
    const link = this.#link;
    this.#link = null;
    if (link === null) return;
    this.#backoff.held(nowS() - this.#openedAt);
    link.close();
  }
}

/** The token of a client: given, or had from a function again and again. */


/** Shortest time between two tokens; a connection may send one a second. */
const LEAST_S = 2;

/** Gives the present token, and a new one where it runs out or the broker refuses it. */
class Tokens {
  #source;
  #options;
  #token = '';
  #renewAt = Infinity;
  #asking = null;

  /**
   * @param {string | (() => string | Promise<string>) | null} source Where tokens come from.
   * @param {{connectTimeoutS: number, renewS: number}} options
   */
  constructor(source, options) {
    this.#source = source;
    this.#options = options;
    if (typeof source === 'string') this.#token = source;
  }

  /**
   * Return the token; empty where none is used.
   *
   * @throws {Lost} the source could not be reached; later it may.
   */
  async current() {
    if (typeof this.#source === 'function') {
      if (!this.#token) await this.#ask();
      else if (nowS() >= this.#renewAt) await this.#ask().catch(() => {}); // it still counts
    }
    return this.#token;
  }

  /**
   * Get another token than the refused one.
   *
   * @param {string} refused
   * @param {Error} error Thrown where there is none.
   * @throws {Lost} the source could not be reached; later it may.
   */
  async renew(refused, error) {
    if (this.#token === refused && typeof this.#source === 'function') await this.#ask();
    if (this.#token === refused) throw error;
  }

  /** Seconds until the next token is to be had; Infinity where that is not known. */
  get renewInS() {
    return Math.max(0, this.#renewAt - nowS());
  }

  /** Ask the source; who asks at the same time gets the same answer. */
  #ask() {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #fetch() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('late')), this.#options.connectTimeoutS * 1000);
    });
    try {
      const token = await Promise.race([this.#source(), late]);
      if (typeof token !== 'string') throw new TypeError('a token is text');
      this.#token = token;
    } catch (error) {
      throw new Lost(`no token could be had: ${error?.name ?? 'no reason given'}`);
    } finally {
      clearTimeout(timer);
      this.#renewAt = nowS() + waitS(secondsLeft(this.#token), this.#options.renewS);
    }
  }
}

/**
 * Return when a token that is valid for so long is to be renewed.
 *
 * @param {number | null} leftS Seconds; null where the token does not say.
 * @param {number} marginS Seconds before its end, if it is long enough.
 */
function waitS(leftS, marginS) {
  // A token that has ended by this clock may be good by the broker's, which says so in time.
  if (leftS === null || leftS <= 0) return Infinity;
  return Math.max(leftS - marginS, leftS / 2, LEAST_S);
}

/** Return the seconds until a JSON Web Token expires; null where it does not say. */
function secondsLeft(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === 'number' ? exp - Date.now() / 1000 : null;
  } catch {
    return null;
  }
}

/** A subscription over a WebSocket. */


/** Handshakes that must fail before the way counts as blocked: a broker may be just starting. */
const TRIES = 2;

/** Least time between two tokens; the broker takes one a second, and the next after its answer. */
const BETWEEN_S = 2;

const GOING_AWAY = 4000; // of ours: pages may not send 1001

/**
 * A WebSocket; gap notices come as frames.
 *
 * A page cannot ping. Instead it sends its token (`{"auth_token": …}`), which the broker answers:
 * a new one in time, and the old one where nothing was heard for long, as a question for a sign of
 * life.
 *
 * Source: D5, D17, D43.
 */
class WebSocketLink {
  #site;
  #ask;
  #tokens;
  #options;
  #closing = new AbortController();
  #socket = null;
  #waiting = [];
  #wake = null;
  #end = null;
  #said = '';
  #heardAt = 0;
  #askedAt = 0;
  #saidAt = 0;
  #timers = [];

  constructor(site, ask, tokens, options) {
    this.#site = site;
    this.#ask = ask;
    this.#tokens = tokens;
    this.#options = options;
  }

  /** The token that is in force. */
  get token() {
    return this.#ask.token;
  }

  /** Shake hands; where that fails, a short poll tells why, because a page is not told. */
  async open() {
    if (typeof WebSocket === 'undefined') throw new Blocked('there is no WebSocket here');
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (await this.#shakeHands()) {
        this.#heardAt = nowS();
        this.#timers.push(setTimeout(() => this.#listen(), this.#options.heartbeatS * 1000));
        this.#renewLater();
        return;
      }
      const { connectTimeoutS } = this.#options;
      await poll(
        this.#site, 'shortpoll', this.#ask, connectTimeoutS, this.#options, this.#closing.signal,
      );
    }
    throw new Blocked('the handshake fails, and polls do not');
  }

  /** Wait for frames. */
  async receive() {
    if (!this.#waiting.length && this.#end === null) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    if (!this.#waiting.length) throw this.#end;
    return this.#waiting.splice(0);
  }

  /** Say goodbye. */
  close() {
    this.#closing.abort();
    this.#finish(new Lost('the connection was given up'));
  }

  // --- the connection ----------------------------------------------------------------------

  #shakeHands() {
    return new Promise((resolve) => {
      let socket;
      try {
        socket = this.#socket = new WebSocket(this.#site.socketUrl(this.#ask));
      } catch {
        resolve(false); // the page's own rules forbid it
        return;
      }
      const end = (event) => {
        clearTimeout(timer);
        resolve(false);
        if (socket === this.#socket) this.#closed(event);
      };
      const timer = setTimeout(() => {
        resolve(false);
        socket.close();
      }, this.#options.connectTimeoutS * 1000);
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(true);
      };
      socket.onmessage = ({ data }) => this.#hear(data);
      socket.onclose = end;
      socket.onerror = () => setTimeout(end, 0, { code: 1006, reason: '' }); // Node says no more
      if (this.#closing.signal.aborted) socket.close();
    });
  }

  #hear(data) {
    this.#heardAt = nowS();
    for (const event of readEvents([data])) {
      if (event.kind === 'farewell') {
        this.#said = event.reason; // a close frame follows, unless it answers a token
        this.#push({ kind: 'moved', cursor: event.cursor });
      } else this.#push(event);
      if (event.kind === 'farewell' || event.refreshed) this.#askedAt = 0;
    }
    if (this.#waiting.length >= this.#options.maxWaitingFrames) {
      this.#finish(new Lost('messages are read too slowly to wait here', 0));
    }
  }

  #push(event) {
    if (this.#end !== null) return;
    this.#waiting.push(event);
    this.#wakeUp();
  }

  #closed({ code, reason }) {
    if (!this.#heardAt) return; // it was never open
    const { status, retryAfterS, cursor } = readClose(code, reason);
    if (cursor !== null) this.#push({ kind: 'moved', cursor });
    const why = (status && this.#said) || `the connection was closed with ${code}`;
    this.#finish(errorOf(status, why, retryAfterS));
  }

  #finish(error) {
    this.#end ??= error;
    this.#timers.splice(0).forEach(clearTimeout);
    this.#socket?.close(GOING_AWAY);
    this.#wakeUp();
  }

  #wakeUp() {
    this.#wake?.();
    this.#wake = null;
  }

  // --- tokens and signs of life ------------------------------------------------------------

  /** Look whether the broker is silent; timers of hidden pages come late, so questions come first. */
  #listen() {
    const { heartbeatS } = this.#options;
    const silentS = nowS() - Math.max(this.#heardAt, this.#askedAt);
    if (this.#askedAt && silentS >= heartbeatS / 2) {
      this.#finish(new Lost('the connection fell silent'));
      return;
    }
    if (!this.#askedAt && silentS >= heartbeatS) this.#say(this.#ask.token);
    const nextS = this.#askedAt ? heartbeatS / 2 : Math.max(1, heartbeatS - silentS);
    this.#timers[0] = setTimeout(() => this.#listen(), nextS * 1000);
  }

  #renewLater() {
    const waitS = this.#tokens.renewInS;
    if (waitS === Infinity) return;
    const longestS = 2 ** 31 / 1000 - 1; // of a timer
    this.#timers[1] = setTimeout(() => this.#renew(), Math.min(waitS, longestS) * 1000);
  }

  async #renew() {
    const token = await this.#tokens.current().catch(() => this.#ask.token);
    if (this.#end !== null) return;
    if (token !== this.#ask.token) {
      if (this.#askedAt || nowS() - this.#saidAt < BETWEEN_S) {
        this.#timers[1] = setTimeout(() => this.#renew(), BETWEEN_S * 1000);
        return;
      }
      this.#ask = { ...this.#ask, token };
      this.#say(token);
    }
    this.#renewLater();
  }

  #say(token) {
    this.#askedAt = this.#saidAt = nowS();
    this.#socket.send(JSON.stringify({ auth_token: token }));
  }
}

/** The client: subscribes. */


const LINKS = { websocket: WebSocketLink, eventsource: EventSourceLink, longpoll: LongPollLink };

/** States in which a subscription holds nothing. */
const OVER = new Set(['closed', 'refused']);

/** A broker, as subscribers use it. */
class Client {
  #site;
  #options;
  #tokens;
  #open = new Set();

  /**
   * @param {string | URL} url Where subscribers connect; by default where this file came from.
   * @param {{token?: string | (() => string | Promise<string>)}} options `token`, and limits and
   *   waits.
   * @throws {TypeError} the address cannot be used.
   * @throws {RangeError} an option cannot be used.
   */
  constructor(url = new URL('.', import.meta.url), { token = null, ...options } = {}) {
    this.#site = new Site(url);
    this.#options = readOptions(options);
    this.#tokens = new Tokens(token, this.#options);
  }

  /**
   * Subscribe; nothing is sent before the first message is waited for, or `ready()`.
   *
   * @param {string | readonly string[]} channels Those that the token may not read are left out.
   * @param {object} options `cursor` to go on from, `onGap`, `onState`.
   * @returns {Subscription}
   * @throws {RangeError} there is no channel, or one has no name.
   * @throws {Unreadable} the cursor cannot be read.
   */
  subscribe(channels, { cursor = null, onGap = null, onState = null } = {}) {
    const names = typeof channels === 'string' ? [channels] : [...channels];
    if (!names.length || names.some((name) => !name || name.includes('/'))) {
      throw new RangeError('a subscription names its channels, none of them with a slash');
    }
    const subscription = new Subscription(Object.freeze(names), {
      cursor: typeof cursor === 'string' ? Cursor.parse(cursor) : cursor,
      onGap,
      onState: (state) => {
        if (OVER.has(state.state)) this.#open.delete(subscription);
        else this.#open.add(subscription); // who asks once more after a refusal
        onState?.(state);
      },
      dialer: { place: (...ask) => this.#place(...ask), link: (...ask) => this.#link(...ask) },
      tokens: this.#tokens,
      backoff: new Backoff(this.#options),
      transports: this.#options.transports,
    });
    this.#open.add(subscription);
    return subscription;
  }

  /** End every subscription. */
  close() {
    for (const subscription of [...this.#open]) subscription.close();
  }

  /** Find out where a newcomer stands: only then it can come back without loss at any time. */
  async #place(ask, signal) {
    const { connectTimeoutS } = this.#options;
    const [, cursor] = await poll(
      this.#site, 'shortpoll', ask, connectTimeoutS, this.#options, signal,
    );
    if (cursor === null) throw new Lost('the answer to a poll carries no cursor');
    return cursor;
  }

  #link(transport, ask) {
    return new LINKS[transport](this.#site, ask, this.#tokens, this.#options);
  }
}

export { Client, ClientError, Cursor, Refused, Subscription, Unauthorized, Unreadable };
