// The exact URL of a subscription, for every transport.

import { api } from '../api.js';
import { carried } from '../carried.js';
import { Copy, html, Problem, useEffect, usePolled, useState } from '../dom.js';

const TRANSPORTS = ['websocket', 'eventsource', 'stream', 'longpoll', 'shortpoll'];

// Where subscribers connect, as far as this node can know it.
function publicUrl(address) {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (!host) return 'http://127.0.0.1:8080';
  const any = host === '0.0.0.0' || host === '[::]' || host === '::';
  return `http://${any ? location.hostname : host}:${port}`;
}

function subscribeUrl(base, transport, channels, token, cursor) {
  const path = [transport, ...channels.map(encodeURIComponent)].join('/');
  const query = new URLSearchParams();
  const [, time, tag] = /^(\d+)-(\d+)$/.exec(cursor) ?? [];
  if (time) {
    query.set('tag', tag);
    query.set('time', new Date(time * 1000).toUTCString());
  }
  if (token) query.set('auth_token', token);
  const root = transport === 'websocket' ? base.replace(/^http/, 'ws') : base;
  const told = query.toString();
  return `${root.replace(/\/+$/, '')}/${path}${told && `?${told}`}`;
}

export function Subscribe() {
  const { value, error } = usePolled(api.nodes, 0);
  const [base, setBase] = useState('');
  const [names, setNames] = useState('ping');
  const [transport, setTransport] = useState('websocket');
  const [token, setToken] = useState(carried.token);
  const [cursor, setCursor] = useState('');
  useEffect(() => value && setBase((old) => old || publicUrl(value.here.public)), [value]);
  const channels = names.split(/[\s,]+/).filter((name) => name);
  const url = base && subscribeUrl(base, transport, channels, token.trim(), cursor.trim());
  const command = transport === 'websocket' ? `new WebSocket(${JSON.stringify(url)})` : `curl -N '${url.replaceAll("'", "'\\''")}'`;
  return html`
    <h2>Subscribe</h2>
    <${Problem} error=${error} />
    <form class="card" onSubmit=${(event) => event.preventDefault()}>
      <label>Public address <span class="hint">of the proxy, where there is one</span>
        <input name="base" type="url" value=${base} onInput=${(event) => setBase(event.target.value)} /></label>
      <label>Channels <input name="channels" value=${names} autocomplete="off" onInput=${(event) => setNames(event.target.value)} /></label>
      <div class="row">
        <label>Transport <select name="transport" value=${transport} onChange=${(event) => setTransport(event.target.value)}>
          ${TRANSPORTS.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
        <label>From the cursor <input name="cursor" placeholder="1447516314-21" value=${cursor} autocomplete="off"
          onInput=${(event) => setCursor(event.target.value)} /></label>
      </div>
      <label>Token <span class="hint">make one under <a href="#/tokens">Tokens</a></span>
        <input name="token" value=${token} autocomplete="off" spellcheck=${false} onInput=${(event) => setToken(event.target.value)} /></label>
      <div>
        <h3>The URL</h3>
        <pre id="url">${url}</pre>
        <${Copy} label="Copy the URL" text=${url} />
      </div>
      <div>
        <h3>${transport === 'websocket' ? 'In a page' : 'In a terminal'}</h3>
        <pre id="command">${command}</pre>
        <${Copy} label="Copy this" text=${command} />
      </div>
    </form>`;
}
