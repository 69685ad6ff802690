/** The cursor: a place in a tenant's stream of messages. */

import { Unreadable } from './errors.js';

const CURSOR = /^(\d{1,12})-(\d{1,15})$/;
const TAG = /^(?:W\/)?"?(\d{1,15})"?$/;

/** Place after which messages are wanted; orders by time, then tag. It never changes. */
export class Cursor {
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
