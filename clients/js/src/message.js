/**
 * What a subscription is told, as plain objects with a `kind`.
 *
 * - `message`: `{id, channel, message, cursor}`
 * - `gap`: `{channel, after, first, skipped}`; messages after a cursor are no longer kept (P3), or so
 *   many were left out
 * - `moved`: `{cursor}`; everything up to here has arrived
 * - `farewell`: `{status, reason, cursor}`; why a connection is about to end
 */

import { Cursor } from './cursor.js';
import { Lost, Refused, Unauthorized, Unreadable } from './errors.js';

/** Its messages are made by the node, between others: they share cursors with them (D24). */
export const PING_CHANNEL = 'ping';

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
export function readEvents(texts) {
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
export function readEvent(text) {
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
export function readClose(code, reason) {
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
export function errorOf(status, reason, retryAfterS = null) {
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
