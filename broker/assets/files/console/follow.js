// A channel's messages as they come: over one stream, resumed by cursor; by asking once a second
// where that does not get through, as behind a proxy that holds streams back.

import { api, ApiError, Unreachable } from './api.js';

const KEPT = 100;
const BEGIN_WITH = 20;
const DRAW_MS = 250;
const RATE_MS = 2000;
const FIRST_MS = 5000;
const SILENT_MS = 60000;
const ASK_MS = 1000;
const PAGE = 200;
const PAGES = 10;
const MOST_LOOKS = 60;

const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); done(); }, { once: true });
});

function soon(promise, ms, what) {
  let timer = null;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(what)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const seen = () => (document.hidden
  ? new Promise((done) => { document.addEventListener('visibilitychange', done, { once: true }); })
  : Promise.resolve());

// Read one event of a stream: its type, id and data.
function readEvent(block) {
  const event = { kind: 'message', id: '', data: '' };
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) event.data += line.slice(6);
    else if (line.startsWith('id: ')) event.id = line.slice(4);
    else if (line.startsWith('event: ')) event.kind = line.slice(7);
  }
  return event;
}

class Follower {
  #name;
  #tell;
  #ended = new AbortController();
  #cursor = '';
  #kept = []; // the newest messages, as JSON: most are gone before anybody could read them
  #count = 0;
  #missed = 0;
  #isGapped = false;
  #lastId = null;
  #isBehindGap = false;
  #timer = null;
  #marks = [];
  #way = 'connecting';
  #error = null;

  constructor(name, tell) {
    this.#name = name;
    this.#tell = tell;
    this.#run();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  async #run() {
    let looks = 1;
    while (!this.#ended.signal.aborted) {
      await seen();
      const works = await this.#stream();
      looks = works ? 1 : Math.min(looks * 2, MOST_LOOKS);
      for (let look = 0; look < looks && !this.#ended.signal.aborted; look += 1) {
        await this.#ask();
        await pause(ASK_MS, this.#ended.signal);
      }
    }
  }

  // Follow until the stream ends; tell whether anything came.
  async #stream() {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#ended.signal]);
    const hide = () => { if (document.hidden) own.abort(); };
    document.addEventListener('visibilitychange', hide);
    let works = false;
    try {
      const query = this.#cursor ? { after: this.#cursor } : { last: BEGIN_WITH };
      const answer = await soon(api.follow(this.#name, query, signal), FIRST_MS, 'no answer');
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await soon(reader.read(), works ? SILENT_MS : FIRST_MS, 'silent');
        if (done) return works;
        works = true;
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop();
        blocks.forEach((block) => this.#take(readEvent(block)));
        this.#note('stream', null);
      }
    } catch (error) {
      if (error instanceof ApiError) this.#note(this.#way, error);
      return works;
    } finally {
      document.removeEventListener('visibilitychange', hide);
      own.abort();
    }
  }

  async #ask() {
    if (document.hidden || this.#ended.signal.aborted) return;
    try {
      if (!this.#cursor) await this.#begin();
      for (let page = null, pages = 0; !page?.complete && pages < PAGES; pages += 1) {
        page = await api.messages(this.#name, this.#cursor, PAGE);
        if (this.#ended.signal.aborted) return;
        if (page.gap) this.#gap();
        page.messages.forEach((row) => this.#keep(JSON.stringify(row)));
        this.#cursor = page.next;
        this.#note('asking', null);
      }
    } catch (error) {
      this.#note(error instanceof Unreachable ? 'connecting' : this.#way, error);
    }
  }

  async #begin() {
    const { cursor, last_id: lastId } = await api.channel(this.#name);
    this.#cursor = cursor ?? '';
    this.#lastId = lastId;
  }

  #take({ kind, id, data }) {
    if (kind === 'gap') this.#gap();
    if (kind === 'message' && data) this.#keep(data);
    if (id) this.#cursor = id;
  }

  #gap() {
    this.#isGapped = true;
    this.#isBehindGap = true;
  }

  #keep(data) {
    const id = parseInt(data.slice('{"id":'.length), 10);
    if (this.#isBehindGap && this.#lastId !== null) this.#missed += id - this.#lastId - 1;
    this.#isBehindGap = false;
    this.#lastId = id;
    this.#kept.push(data);
    if (this.#kept.length > 2 * KEPT) this.#kept = this.#kept.slice(-KEPT);
    this.#count += 1;
  }

  #note(way, error) {
    this.#way = way;
    this.#error = error;
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #draw() {
    this.#timer = null;
    if (this.#ended.signal.aborted) return;
    this.#tell({
      rows: this.#kept.slice(-KEPT).reverse().map((data) => JSON.parse(data)),
      count: this.#count,
      missed: this.#missed,
      isGapped: this.#isGapped,
      rate: this.#rate(),
      way: this.#way,
      error: this.#error,
    });
    if (this.#marks.length > 1) this.#timer = setTimeout(() => this.#draw(), 4 * DRAW_MS);
  }

  // Messages a second of late.
  #rate() {
    const now = performance.now();
    const last = this.#marks.at(-1);
    if (!last || last.count !== this.#count) this.#marks.push({ at: now, count: this.#count });
    while (this.#marks.length > 1 && this.#marks[1].at < now - RATE_MS) this.#marks.shift();
    const [first] = this.#marks;
    if (this.#marks.length === 1 || now - this.#marks.at(-1).at > RATE_MS) {
      this.#marks = [{ at: now, count: this.#count }];
      return 0;
    }
    return (this.#count - first.count) / ((now - first.at) / 1000);
  }
}

// Follow a channel from its last messages on; `tell` is called with what there is, four times a
// second at most. Gives what ends it.
export function follow(name, tell) {
  const follower = new Follower(name, tell);
  return () => follower.stop();
}
