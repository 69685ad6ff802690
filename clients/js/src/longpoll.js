/** A subscription over long polls. */

import { Cursor } from './cursor.js';
import { ClientError, Lost, Unreadable } from './errors.js';
import { readEvents } from './message.js';
import { refusal } from './site.js';
import { Watchdog, nowS, pause } from './waiting.js';

const GAP_HEADER = 'X-Broker-Gap';

/** Shortest time between two polls that bring nothing: an answer that should have been held. */
const EMPTY_PAUSE_S = 1;

/** Long polls, one after the other, each with the cursor of the answer before it (D44, D47). */
export class LongPollLink {
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
export async function poll(site, mode, ask, timeoutS, options, signal) {
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
