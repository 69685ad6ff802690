/** How long to wait before coming back. */

/** Seconds that a connection must have held for the next retry to be a quick one. */
export const STEADY_S = 5;

/**
 * The waits of one subscription.
 *
 * A connection that held is made anew within a moment, because restarts are short; after that the
 * waits are long and random, so that a crowd does not come back at once (D49).
 */
export class Backoff {
  #options;
  #random;
  #quick = true;

  /**
   * @param {{retryS: number[], quickRetryS: number}} options Shortest and longest waits.
   * @param {() => number} random Gives a number from 0 to 1.
   */
  constructor(options, random = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * Take note of how long a connection held.
   *
   * @param {number} seconds
   */
  held(seconds) {
    if (seconds >= STEADY_S) this.#quick = true;
  }

  /**
   * Return the seconds to wait now.
   *
   * @param {number | null} askedS What the broker asks for; heeded up to the longest wait.
   */
  nextS(askedS = null) {
    const quick = this.#quick;
    this.#quick = false;
    const [shortest, longest] = this.#options.retryS;
    if (askedS !== null) return Math.min(askedS, longest);
    if (quick) return this.#random() * Math.min(this.#options.quickRetryS, longest);
    return shortest + this.#random() * (longest - shortest);
  }
}
