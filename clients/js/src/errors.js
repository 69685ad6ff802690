/**
 * The errors of the client.
 *
 * - `ClientError`
 *   - `Refused`: the broker says no, and would again
 *     - `Unauthorized`: because of the token
 *   - `Lost`: a connection could not be made, or ended; subscriptions deal with it themselves
 *   - `Blocked`: a transport does not get through to the broker; likewise
 *   - `Unreadable`: what came is nothing that a broker says
 *
 * No text of theirs holds a token or a payload.
 */

/** Base of everything that the client throws by itself. */
export class ClientError extends Error {
  constructor(text) {
    super(text);
    this.name = new.target.name;
  }
}

/** The broker refuses what was asked for; asking again would not help. */
export class Refused extends ClientError {
  /**
   * @param {number} status HTTP status.
   * @param {string} detail One sentence on what was wrong.
   * @param {object} problem Members of the problem document, where there was one (RFC 9457).
   */
  constructor(status, detail, problem = {}) {
    super(`${detail} (${status})`);
    this.status = status;
    this.detail = detail;
    this.problem = problem;
  }
}

/** The token is missing, bad, expired or revoked. */
export class Unauthorized extends Refused {}

/** A connection could not be made, or ended; coming back can help. */
export class Lost extends ClientError {
  /**
   * @param {string} reason What happened.
   * @param {number | null} retryAfterS Seconds that the broker asks to wait, if it does.
   */
  constructor(reason, retryAfterS = null) {
    super(reason);
    this.retryAfterS = retryAfterS;
  }
}

/** Something between client and broker does not let a transport pass. */
export class Blocked extends ClientError {}

/** What came is nothing that a broker says, or longer than the limit. */
export class Unreadable extends ClientError {}
