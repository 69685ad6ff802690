/** A subscription over server-sent events. */

import { Blocked, ClientError, Lost } from './errors.js';
import { EventReader } from './eventReader.js';
import { errorOf, readEvents } from './message.js';
import { refusal } from './site.js';
import { Watchdog } from './waiting.js';

const EVENT_TYPE = 'text/event-stream';

/**
 * An event stream; read by `fetch`, because `EventSource` neither takes a token as a header nor
 * says why it failed.
 */
export class EventSourceLink {
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
