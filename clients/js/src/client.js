/** The client: subscribes. */

import { Backoff } from './backoff.js';
import { Cursor } from './cursor.js';
import { Lost } from './errors.js';
import { EventSourceLink } from './eventsource.js';
import { LongPollLink, poll } from './longpoll.js';
import { readOptions } from './options.js';
import { Site } from './site.js';
import { Subscription } from './subscription.js';
import { Tokens } from './tokens.js';
import { WebSocketLink } from './websocket.js';

const LINKS = { websocket: WebSocketLink, eventsource: EventSourceLink, longpoll: LongPollLink };

/** States in which a subscription holds nothing. */
const OVER = new Set(['closed', 'refused']);

/** A broker, as subscribers use it. */
export class Client {
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
