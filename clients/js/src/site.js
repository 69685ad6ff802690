/** The public listener of a broker: its URLs, and what its answers mean. */

import { Blocked, Lost, Refused, Unauthorized } from './errors.js';

const SCHEMES = { 'http:': 'http:', 'https:': 'https:', 'ws:': 'http:', 'wss:': 'https:' };
const PROBLEM_TYPE = 'application/problem+json';

/** Where a broker is, and how requests to it are made. */
export class Site {
  /**
   * @param {string | URL} url `http(s)://…` or `ws(s)://…` (D9).
   * @throws {TypeError} it is none of these.
   */
  constructor(url) {
    const { protocol, host, pathname, search, hash, username } = new URL(url);
    if (!(protocol in SCHEMES)) throw new TypeError('an address is http(s)://… or ws(s)://…');
    if (search || hash || username) {
      throw new TypeError('an address holds no user, query or fragment; a token is given apart');
    }
    this.base = `${SCHEMES[protocol]}//${host}${pathname.replace(/\/+$/, '')}`;
  }

  /**
   * Return a URL.
   *
   * @param {string} mode First segment of the path (D10).
   * @param {readonly string[]} channels The further ones (D12).
   */
  url(mode, channels) {
    return [this.base, mode, ...channels.map(encodeURIComponent)].join('/');
  }

  /**
   * Return the URL of a WebSocket, which takes no headers from a page (D5, D14, D45).
   *
   * @param {{channels: readonly string[], token: string, cursor: object | null}} ask
   */
  socketUrl({ channels, token, cursor }) {
    const query = new URLSearchParams({ notices: 'gap' });
    if (token) query.set('auth_token', token);
    if (cursor) {
      query.set('tag', String(cursor.tag));
      query.set('time', cursor.httpDate);
    }
    return `${this.url('websocket', channels).replace(/^http/, 'ws')}?${query}`;
  }

  /**
   * Ask over HTTP.
   *
   * Token and cursor are headers: the URL stays the same, so that logs keep no token and browsers
   * remember the preflight.
   *
   * @param {string} mode
   * @param {{channels: readonly string[], token: string, cursor: object | null}} ask
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  get(mode, { channels, token, cursor }, signal) {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (cursor) headers['Last-Event-ID'] = String(cursor);
    return fetch(this.url(mode, channels), {
      headers,
      signal,
      cache: 'no-store',
      redirect: 'error',
    });
  }
}

/**
 * Return what an answer means that is not the one that was hoped for.
 *
 * @param {Response} response
 * @param {boolean} mayBlock Whether an answer that is none of a broker's says that the transport
 *   does not get through; otherwise it is a refusal.
 */
export async function refusal(response, mayBlock) {
  const { status, headers } = response;
  const isProblem = (headers.get('Content-Type') ?? '').startsWith(PROBLEM_TYPE);
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const detail = String(problem.detail || response.statusText || 'refused');
  if (status === 408 || status === 429 || status >= 500) {
    return new Lost(`${detail} (${status})`, retryAfterS(headers));
  }
  if (mayBlock && !isProblem) return new Blocked(`answered with ${status}`);
  return status === 401
    ? new Unauthorized(status, detail, problem)
    : new Refused(status, detail, problem);
}

function retryAfterS(headers) {
  const text = headers.get('Retry-After') ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}
