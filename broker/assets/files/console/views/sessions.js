// Who is subscribed, to whichever process.

import { api } from '../api.js';
import { brief, Danger, duration, html, link, many, Problem, Silent, usePolled, useState } from '../dom.js';

// Whoever is furthest behind comes first, then who is there for longest.
const urgent = (one, other) => other.behind_s - one.behind_s || other.age_s - one.age_s;

const LIMIT = 500;
const EVERY_MS = 2000;
const SHOWN = 3;

function names(channels) {
  const shown = channels.slice(0, SHOWN).map((name) => html`<div key=${name}>
    <a href=${link('channels', name)}>${name}</a></div>`);
  const more = channels.length - SHOWN;
  return html`${shown}${more > 0 && html`<span class="quiet" title=${channels.join('\n')}>and ${more} more</span>`}`;
}

export function Sessions({ channel: chosen = '', node = '' }) {
  const [channel, setChannel] = useState(chosen);
  const [sub, setSub] = useState('');
  const [failed, setFailed] = useState(null);
  const ask = () => api.sessions({ channel, sub, node, limit: LIMIT });
  const { value, error, again } = usePolled(ask, EVERY_MS, [channel, sub, node]);
  const end = (session) => api.end(session).then(() => setFailed(null), setFailed).then(again);
  return html`
    <h2>Sessions</h2>
    <div class="card row">
      <label>With the channel <input name="channel" value=${channel} autocomplete="off"
        onInput=${(event) => setChannel(event.target.value)} /></label>
      <label>Of the subject <input name="sub" value=${sub} autocomplete="off"
        onInput=${(event) => setSub(event.target.value)} /></label>
      ${node && html`<p>Of node <code title=${node}>${brief(node)}</code>; <a href=${link('sessions', channel)}>of all nodes</a></p>`}
      <p class="quiet" role="status">${value
        ? `${many(value.sessions.length, 'session')}${value.complete ? '' : ' and more'}` : 'asking…'}</p>
    </div>
    <${Problem} error=${failed ?? error} />
    <${Silent} nodes=${value?.silent} />
    ${value && !value.sessions.length && html`<p class="card quiet">${channel || sub || node ? 'No session is like that.' : html`Nobody is subscribed.${' '}<a href="#/subscribe">See how to.</a>`}</p>`}
    ${value?.sessions.length > 0 && html`<div class="card scroll"><table class="stack">
      <caption class="quiet">Subscribers of ${node ? 'one node' : 'all nodes'}, those who are furthest behind first</caption>
      <thead><tr><th scope="col">transport</th><th scope="col">subject</th><th scope="col">channels</th>
        <th scope="col">lag</th><th scope="col">age</th><th scope="col">cursor</th><th scope="col">node</th>
        <th scope="col">end it</th></tr></thead>
      <tbody>${value.sessions.toSorted(urgent).map((row) => html`<tr key=${row.session}>
        <td data-name="transport">${row.transport}</td>
        <td data-name="subject">${row.sub ?? html`<span class="quiet">nobody</span>`}</td>
        <td data-name="channels" class="wide"><div>${names(row.channels)}</div></td>
        <td data-name="lag">${row.lagging ? html`<span class="warn">${duration(row.behind_s)} behind</span>` : 'live'}</td>
        <td data-name="age">${duration(row.age_s)}</td>
        <td data-name="cursor" class="code">${row.cursor}</td>
        <td data-name="node" class="code"><a href=${link('sessions', channel, row.node)} title=${row.node}
          aria-label=${`sessions of node ${brief(row.node)}`}>${brief(row.node)}</a></td>
        <td data-name="end it"><span><${Danger} label="Disconnect"
          name=${`disconnect the ${row.transport} of ${row.sub ?? 'nobody'}`} onSure=${() => end(row.session)} /></span></td>
      </tr>`)}</tbody>
    </table></div>`}`;
}
