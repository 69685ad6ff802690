// One channel: its state, and its messages, live or a page at a time.

import { api } from '../api.js';
import { Danger, html, link, many, Problem, short, useEffect, usePolled, useRef, useState, whole } from '../dom.js';

const PAGE = 50;
const LIVE = 200;
const SHOWN = 100;
const STATE_MS = 2000;
const LIVE_MS = 400;

function Messages({ rows }) {
  return html`<div class="scroll"><table class="stack">
    <caption class="quiet">${many(rows.length, 'message')}</caption>
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

// The newest messages as they come: each look asks for what came after the one before.
function Live({ name, from }) {
  const place = useRef({ after: from, id: 0 });
  const [rows, setRows] = useState([]);
  const [missed, setMissed] = useState(0);
  const { error } = usePolled(async () => {
    const page = await api.messages(name, place.current.after, LIVE);
    if (!page.messages.length) return undefined;
    const first = page.messages[0].id;
    if (place.current.id && first > place.current.id + 1) setMissed((old) => old + first - place.current.id - 1);
    place.current = { after: page.next, id: page.messages.at(-1).id };
    setRows((old) => [...page.messages.toReversed(), ...old].slice(0, SHOWN));
    return page;
  }, LIVE_MS, [name]);
  return html`<${Problem} error=${error} />
    <p role="status" class="quiet">Following; the newest comes first.${missed ? ` ${missed} were no longer kept.` : ''}</p>
    <${Messages} rows=${rows} />`;
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
    ${value && html`<${Messages} rows=${value.messages} />`}`;
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
    ${value && html`
      <dl class="tiles">
        <div><dt>kept</dt><dd id="stored">${whole(value.stored)}</dd></div>
        <div><dt>last id</dt><dd>${whole(value.last_id)}</dd></div>
        <div><dt>subscribers</dt><dd>${whole(value.subscribers)}</dd></div>
        <div><dt>ring</dt><dd>${value.rule ? whole(value.rule.messages) : '–'}</dd></div>
      </dl>
      <p class="quiet">${value.rule ? html`Pattern <code>${value.rule.pattern}</code>, ${value.rule.place}` : 'No pattern matches it.'}
        ${' · cursor '}<code>${value.cursor ?? 'none'}</code>${' · '}<a href=${link('sessions', name)}>its sessions here</a></p>
      <div class="row">
        <div role="group" aria-label="How messages are shown">
          <button type="button" aria-pressed=${live} class=${live ? 'main' : ''} onClick=${() => setLive(true)}>Follow</button>
          ${' '}
          <button type="button" aria-pressed=${!live} class=${live ? '' : 'main'} onClick=${() => setLive(false)}>History</button>
        </div>
        <${Danger} label="Drop messages" name=${`drop the messages of ${name}`} onSure=${drop} disabled=${!value.stored} />
      </div>
      <section class="card" aria-label="Messages">
        ${live ? html`<${Live} key=${name} name=${name} from=${value.cursor ?? ''} />` : html`<${Pages} key=${name} name=${name} />`}
      </section>`}`;
}
