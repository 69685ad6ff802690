// What a token allows, making one, and taking tokens back.

import { api } from '../api.js';
import { carried } from '../carried.js';
import { Copy, Danger, html, Problem, useAction, usePolled, useState } from '../dom.js';

const split = (text) => text.split(/[\s,]+/).filter((name) => name);

// Read `name=value` lines as claims; a value that is JSON is taken as such.
function claimsOf(text) {
  const claims = {};
  for (const line of text.split('\n').map((each) => each.trim()).filter((each) => each)) {
    const at = line.indexOf('=');
    if (at < 1) throw new Error(`A claim is NAME=VALUE, not ${line}`);
    const value = line.slice(at + 1).trim();
    let read = value;
    try { read = JSON.parse(value); } catch { /* plain text */ }
    claims[line.slice(0, at).trim()] = read;
  }
  return claims;
}

function Answer({ row }) {
  return html`<li>
    <strong class=${row.allowed ? 'good' : 'bad'}>${row.allowed ? 'allowed' : 'denied'}</strong>
    <code> ${row.channel}</code>: ${row.reason}
    ${row.place && html`<div class="quiet">${row.place.file}:${row.place.line}</div>`}
    ${row.pattern && html`<div class="quiet">pattern <code>${row.pattern}</code></div>`}
    ${row.nearest && html`<div class="quiet">the nearest pattern is <code>${row.nearest}</code></div>`}
    ${row.unmet.map((each) => html`<div class="quiet" key=${each.place + each.claim}>${each.place}: needs
      <code> ${each.claim}=${JSON.stringify(each.wanted)}</code>, the token has ${each.token_has}</div>`)}
  </li>`;
}

function Explain({ token, setToken }) {
  const [names, setNames] = useState('');
  const [action, setAction] = useState('subscribe');
  const { busy, done, error, run } = useAction(
    () => api.explain({ token: token.trim(), channels: split(names), action }),
  );
  return html`<form class="card" aria-label="Explain" onSubmit=${run}>
    <h3>Explain</h3>
    <label>Token <span class="hint">empty for none</span>
      <textarea name="token" class="code" spellcheck=${false} value=${token} onInput=${(event) => setToken(event.target.value)}></textarea></label>
    <label>Channels <input name="explained" required value=${names} autocomplete="off" onInput=${(event) => setNames(event.target.value)} /></label>
    <div class="row">
      <label>Action <select name="action" value=${action} onChange=${(event) => setAction(event.target.value)}>
        <option value="subscribe">subscribe</option><option value="publish">publish</option></select></label>
      <button class="main" disabled=${busy}>Explain</button>
    </div>
    <${Problem} error=${error} />
    <div role="status" id="explanation">${done && html`
      ${done.error && html`<p class="bad">${done.error.detail}</p>`}
      ${done.token && html`<p class="quiet">token of ${done.token.sub || 'nobody'}, tenant ${done.token.tenant}</p>`}
      <ul>${done.channels.map((row) => html`<${Answer} key=${row.channel} row=${row} />`)}</ul>`}</div>
  </form>`;
}

function Make({ allowed, setToken }) {
  const [sub, setSub] = useState('7');
  const [claims, setClaims] = useState('app_id=100');
  const [grants, setGrants] = useState('');
  const [hours, setHours] = useState('1');
  const { busy, done, error, run } = useAction(async () => {
    const asked = { sub, claims: claimsOf(claims), subscribe: split(grants), ttl_s: Number(hours) * 3600 };
    const made = await api.makeToken(asked);
    setToken(made.token);
    carried.token = made.token;
    return made;
  });
  return html`<form class="card" aria-label="Make a token" onSubmit=${run}>
    <h3>Make a token</h3>
    ${allowed ? html`<p class="quiet">For development, signed with the broker's own secret.</p>`
      : html`<p class="warn">Not while there are API keys: use <code>broker token</code> on the broker's machine.</p>`}
    <div class="row">
      <label>Subject <input name="sub" required value=${sub} autocomplete="off" onInput=${(event) => setSub(event.target.value)} /></label>
      <label class="small">Hours <input name="hours" type="number" min="0.01" step="any" value=${hours} onInput=${(event) => setHours(event.target.value)} /></label>
    </div>
    <label>Claims <span class="hint">NAME=VALUE, one a line</span>
      <textarea name="claims" class="code" spellcheck=${false} value=${claims} onInput=${(event) => setClaims(event.target.value)}></textarea></label>
    <label>Grants <span class="hint">channels that it may read whatever the rules say</span>
      <input name="grants" value=${grants} autocomplete="off" onInput=${(event) => setGrants(event.target.value)} /></label>
    <div><button class="main" disabled=${busy || !allowed}>Make it</button></div>
    <${Problem} error=${error} />
    <div role="status">${done && html`<pre id="token">${done.token}</pre>
      <p><${Copy} label="Copy" text=${done.token} /> <a href="#/subscribe">Subscribe with it</a></p>
      <pre>${JSON.stringify(done.claims, null, 1)}</pre>`}</div>
  </form>`;
}

function Revoke() {
  const { value, error: unread, again } = usePolled(api.revocations, 5000);
  const [kind, setKind] = useState('sub');
  const [name, setName] = useState('');
  const [earlier, setEarlier] = useState(true);
  const { done, error, run } = useAction(async () => {
    if (!name.trim()) throw new Error('Say whose tokens, or which.');
    const asked = { [kind]: name.trim() };
    if (kind === 'sub' && earlier) asked.issued_before = Math.floor(Date.now() / 1000) + 1;
    const told = await api.revoke(asked);
    again();
    return told;
  });
  return html`<section class="card" aria-label="Revoke">
    <h3>Revoke</h3>
    <p class="quiet">Every connection with such a token ends on every node within a second.</p>
    <div class="row">
      <label class="small">Tokens <select name="kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>
        <option value="sub">of a subject</option><option value="jti">with an id</option></select></label>
      <label>${kind === 'sub' ? 'Subject' : 'Id (jti)'}
        <input name="revoked" value=${name} autocomplete="off" onInput=${(event) => setName(event.target.value)} /></label>
      ${kind === 'sub' && html`<label class="inline"><input type="checkbox" checked=${earlier}
        onChange=${(event) => setEarlier(event.target.checked)} /> only those issued until now</label>`}
      <${Danger} label="Revoke" name="revoke" onSure=${run} />
    </div>
    <${Problem} error=${error ?? unread} />
    <p role="status" class="good">${done ? 'Revoked.' : ''}</p>
    ${value && !value.revocations.length && html`<p class="quiet">No token is revoked.</p>`}
    ${value?.revocations.length > 0 && html`<div class="scroll"><table class="stack" id="revocations">
      <caption class="quiet">${value.revocations.length}${value.complete ? '' : ' and more'} in force</caption>
      <thead><tr><th scope="col">which</th><th scope="col">issued before</th><th scope="col">until</th></tr></thead>
      <tbody>${value.revocations.map((row) => html`<tr key=${JSON.stringify(row)}>
        <td data-name="which" class="wide">${row.jti ? `id ${row.jti}` : row.sub ? `subject ${row.sub}` : 'all of the tenant'}</td>
        <td data-name="issued before" class="line">${row.issued_before ? new Date(row.issued_before * 1000).toLocaleString() : 'any time'}</td>
        <td data-name="until" class="line">${new Date(row.until * 1000).toLocaleString()}</td></tr>`)}</tbody>
    </table></div>`}
  </section>`;
}

export function Tokens() {
  const [token, setToken] = useState('');
  const { value } = usePolled(api.nodes, 0);
  return html`<h2>Tokens</h2>
    <div class="grid">
      <${Make} allowed=${value?.here.mints_tokens ?? true} setToken=${setToken} />
      <${Explain} token=${token} setToken=${setToken} />
    </div>
    <${Revoke} />`;
}
