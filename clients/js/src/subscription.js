/** A subscription: messages in order, each once, over connections that come and go. */

import { STEADY_S } from './backoff.js';
import { Blocked, ClientError, Lost, Unauthorized } from './errors.js';
import { PING_CHANNEL } from './message.js';
import { nowS, pause } from './waiting.js';

/** Seconds after which a connection that has to be made anyway is made the best way once more. */
const BETTER_AFTER_S = 600;

/**
 * An async iterator over the messages of some channels.
 *
 * A connection that ends is made anew at the cursor of the last message that was handed out, so
 * that each message is handed out once and in order. What waits to be taken is bounded; who takes
 * messages slowly slows down its own connection alone.
 */
export class Subscription {
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
