/** A client for browsers and Node: subscriptions that resume by themselves. */

export { Client } from './client.js';
export { Cursor } from './cursor.js';
export { ClientError, Refused, Unauthorized, Unreadable } from './errors.js';
export { Subscription } from './subscription.js';
