/** The token of a client: given, or had from a function again and again. */

import { Lost } from './errors.js';
import { nowS } from './waiting.js';

/** Shortest time between two tokens; a connection may send one a second. */
const LEAST_S = 2;

/** Gives the present token, and a new one where it runs out or the broker refuses it. */
export class Tokens {
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
