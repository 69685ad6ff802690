/** Server-sent events, read from text as it comes. */

import { Unreadable } from './errors.js';

/**
 * Splits a stream into the data of its events.
 *
 * Names and ids are left out: what an event is shows in its data.
 *
 * Source: WHATWG HTML, section 9.2.6; the decoder takes a byte order mark off.
 */
export class EventReader {
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
