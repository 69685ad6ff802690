/** Server-sent events, read from text as it comes. */

import { Unreadable } from './errors.js';

const LINE_END = /\r\n|\n|\r/g;

/**
 * Splits a stream into the data of its events.
 *
 * Names and ids are left out: what an event is shows in its data.
 *
 * Source: WHATWG HTML, section 9.2.6; the decoder takes a byte order mark off.
 */
export class EventReader {
  #limit;
  #rest = '';
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
    const text = this.#rest + piece;
    const whole = [];
    let at = 0;
    for (const end of text.matchAll(LINE_END)) {
      const after = end.index + end[0].length;
      if (end[0] === '\r' && after === text.length) break; // its line feed may come next
      const line = text.slice(at, end.index);
      at = after;
      if (line) this.#take(line);
      else if (this.#data.length) {
        whole.push(this.#data.join('\n'));
        this.#data = [];
        this.#length = 0;
      }
    }
    this.#rest = text.slice(at);
    this.#check(this.#rest.length);
    return whole;
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
