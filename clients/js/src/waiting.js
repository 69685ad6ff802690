/** Waits that can be cut short. */

/** Seconds on a clock that is never set. */
export function nowS() {
  return performance.now() / 1000;
}

/**
 * Wait; ends early, and as well, when the signal is given.
 *
 * @param {number} seconds
 * @param {AbortSignal} signal
 */
export function pause(seconds, signal) {
  if (signal.aborted || seconds <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    signal.addEventListener('abort', end);
  });
}

/** Aborts a request that brings nothing for too long. */
export class Watchdog {
  #controller;
  #timer;

  /** @param {AbortController} controller What is aborted. */
  constructor(controller) {
    this.#controller = controller;
    this.bit = false;
  }

  /**
   * Expect a sign of life within this time, from now on.
   *
   * @param {number} seconds
   */
  expect(seconds) {
    this.stop();
    this.#timer = setTimeout(() => {
      this.bit = true;
      this.#controller.abort();
    }, seconds * 1000);
  }

  /** Expect nothing any more. */
  stop() {
    clearTimeout(this.#timer);
  }
}
