/** A subscription over a WebSocket. */

import { Blocked, Lost } from './errors.js';
import { poll } from './longpoll.js';
import { errorOf, readClose, readEvents } from './message.js';
import { nowS } from './waiting.js';

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
export class WebSocketLink {
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
