/** The client's limits and waits; what they mean stands in `index.d.ts`. */

const DEFAULTS = {
  transports: ['websocket', 'eventsource', 'longpoll'],
  connectTimeoutS: 10,
  heartbeatS: 20,
  silenceS: 90,
  quickRetryS: 1,
  retryS: [20, 30],
  renewS: 30,
  maxMessageLength: 4 * 2 ** 20,
  maxAnswerLength: 64 * 2 ** 20,
  maxWaitingFrames: 1000,
};

/**
 * Fill in what is not given.
 *
 * @param {object} given
 * @throws {RangeError} a name is not known, there is no transport, or waits are upside down.
 */
export function readOptions(given) {
  const unknown = Object.keys(given).filter((name) => !(name in DEFAULTS));
  if (unknown.length) throw new RangeError(`unknown options: ${unknown.join(', ')}`);
  const options = { ...DEFAULTS, ...given };
  const strange = options.transports.filter((name) => !DEFAULTS.transports.includes(name));
  if (!options.transports.length || strange.length) {
    throw new RangeError(`transports are some of ${DEFAULTS.transports.join(', ')}`);
  }
  const [shortest, longest] = options.retryS;
  if (!(shortest >= 0 && shortest <= longest)) {
    throw new RangeError('retryS: the shortest wait comes first');
  }
  return Object.freeze(options);
}
