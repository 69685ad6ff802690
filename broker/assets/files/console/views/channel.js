// One channel: its state, and its messages, live or a page at a time.

import { api, ApiError } from '../api.js';
import { Danger, html, link, many, placeOf, Problem, short, Silent, useEffect, usePolled, useState, whole } from '../dom.js';
import { follow } from '../follow.js';

const PAGE = 50;
const STATE_MS = 2000;

function Messages({ rows, empty }) {
  if (!rows.length) return html`<p class="quiet">${empty}</p>`;
  return html`<div class="scroll"><table class="stack">
    <caption class="unseen">${many(rows.length, 'message')}</caption>
    <thead><tr><th scope="col">id</th><th scope="col">cursor</th><th scope="col">type</th>
      <th scope="col">message</th></tr></thead>
    <tbody id="messages">${rows.map((row) => html`<tr key=${row.id}>
      <td data-name="id">${row.id}</td>
      <td data-name="cursor" class="code" title=${row.time}>${Date.parse(row.time) / 1000}-${row.tag}</td>
      <td data-name="type">${row.event_type ?? ''}</td>
      <td data-name="message" class="wide code">${short(JSON.stringify(row.message))}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

const WAYS = {
  connecting: 'Connecting…',
  stream: 'Following live; the newest comes first.',
  asking: 'Following by asking once a second: the stream does not get through. The newest comes first.',
};

function gapText({ missed, isGapped }) {
  if (!isGapped) return '';
  return missed ? ` ${many(missed, 'message')} went by that are no longer kept.` : ' Some were no longer kept.';
}

// The newest messages as they come; held, the list stands still to be read.
function Live({ name }) {
  const [state, setState] = useState({ rows: [], count: 0, missed: 0, rate: 0, way: 'connecting', error: null });
  const [held, setHeld] = useState(null);
  useEffect(() => follow(name, setState), [name]);
  return html`<${Problem} error=${state.error instanceof ApiError ? state.error : null} />
    <div class="row">
      <button type="button" aria-pressed=${held !== null} onClick=${() => setHeld(held ? null : state.rows)}>
        ${held ? 'Go on' : 'Hold'}</button>
      <p class="quiet" role="status">${held ? 'Held; messages go on to be counted.' : WAYS[state.way]}${gapText(state)}</p>
      <p class="quiet rate" aria-hidden="true">${whole(state.count)} seen, ${whole(state.rate)} a second</p>
    </div>
    <${Messages} rows=${held ?? state.rows} empty="Nothing yet: new messages appear here by themselves." />`;
}

// What is kept, oldest first; the way back is the cursors that were asked for before.
function Pages({ name }) {
  const [before, setBefore] = useState([]);
  const [after, setAfter] = useState('');
  const { value, error, again } = usePolled(() => api.messages(name, after, PAGE), 0, [name, after]);
  const back = () => {
    setAfter(before.at(-1));
    setBefore(before.slice(0, -1));
  };
  const on = () => {
    setBefore([...before, after]);
    setAfter(value.next);
  };
  return html`<${Problem} error=${error} />
    <div class="row">
      <button type="button" disabled=${!before.length} onClick=${back}>Older</button>
      <button type="button" disabled=${!value || value.complete} onClick=${on}>Newer</button>
      <button type="button" onClick=${again}>Look again</button>
      <p class="quiet" role="status">page ${before.length + 1}${value?.complete ? ', the last' : ''}</p>
    </div>
    ${value?.gap && html`<p class="warn">Messages before ${value.gap} are no longer kept.</p>`}
    ${value && html`<${Messages} rows=${value.messages} empty="Nothing is kept here." />`}`;
}

export function Channel({ name }) {
  const { value, error, again } = usePolled(() => api.channel(name), STATE_MS, [name]);
  const [live, setLive] = useState(true);
  const [failed, setFailed] = useState(null);
  useEffect(() => setLive(true), [name]);
  const drop = () => api.drop(name).then(again, setFailed);
  return html`
    <p><a href="#/channels">All channels</a></p>
    <h2 class="code">${name}</h2>
    <${Problem} error=${error ?? failed} />
    <${Silent} nodes=${value?.silent} />
    ${value && html`
      <dl class="tiles">
        <div><dt>kept</dt><dd id="stored">${whole(value.stored)}</dd></div>
        <div><dt>last id</dt><dd>${whole(value.last_id)}</dd></div>
        <div><dt>subscribers</dt><dd>${whole(value.subscribers)}</dd></div>
        <div><dt>room in the ring</dt><dd>${value.rule ? whole(value.rule.messages) : '–'}</dd></div>
      </dl>
      <p class="quiet">${value.rule ? html`Pattern <code>${value.rule.pattern}</code>, ${placeOf(value.rule.place)}` : 'No pattern matches it.'}
        ${' · cursor '}<code>${value.cursor ?? 'none'}</code>${' · '}<a href=${link('sessions', name)}>its sessions</a></p>
      <div class="row">
        <div role="group" aria-label="How messages are shown">
          <button type="button" aria-pressed=${live} class=${live ? 'main' : ''} onClick=${() => setLive(true)}>Follow</button>
          ${' '}
          <button type="button" aria-pressed=${!live} class=${live ? '' : 'main'} onClick=${() => setLive(false)}>History</button>
        </div>
        <${Danger} label="Drop messages" name=${`drop the messages of ${name}`} onSure=${drop} disabled=${!value.stored} />
      </div>
      <section class="card" aria-label="Messages">
        ${live ? html`<${Live} key=${name} name=${name} />` : html`<${Pages} key=${name} name=${name} />`}
      </section>`}`;
}
