// Channels, by the pattern that governs them.

import { api } from '../api.js';
import { html, link, many, placeOf, Problem, Silent, usePolled, useState, whole } from '../dom.js';

const LIMIT = 1000;
const EVERY_MS = 2000;

function byPattern(channels) {
  const groups = new Map();
  for (const row of channels) {
    const pattern = row.rule?.pattern ?? 'no pattern any more';
    if (!groups.has(pattern)) groups.set(pattern, []);
    groups.get(pattern).push(row);
  }
  return [...groups].sort(([one], [other]) => one.localeCompare(other));
}

const room = (row) => row.rule?.messages ?? 0;

function Group({ pattern, rows }) {
  const stored = rows.reduce((sum, row) => sum + row.stored, 0);
  const subscribers = rows.reduce((sum, row) => sum + row.subscribers, 0);
  return html`<section class="card" aria-label=${pattern}>
    <h3 class="code">${pattern}</h3>
    <p class="quiet">${many(rows.length, 'channel')}, ${many(stored, 'message')} kept, ${many(subscribers, 'subscriber')};
      ${rows[0].rule && html`${' '}at most ${many(room(rows[0]), 'message')} a channel, by ${placeOf(rows[0].rule.place)}`}</p>
    <div class="scroll"><table class="stack">
      <caption class="unseen">Channels of ${pattern}</caption>
      <thead><tr><th scope="col">channel</th><th scope="col">ring</th><th scope="col">last id</th>
        <th scope="col">cursor</th><th scope="col">subscribers</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.channel}>
        <td class="wide" data-name="channel"><a href=${link('channels', row.channel)}>${row.channel}</a></td>
        <td data-name="ring"><span class="line"><meter min="0" max=${Math.max(1, room(row))} value=${row.stored}
          aria-label=${`ring of ${row.channel}`}></meter> ${whole(row.stored)} of ${whole(room(row))}</span></td>
        <td data-name="last id">${row.last_id}</td>
        <td data-name="cursor" class="code">${row.cursor ?? '–'}</td>
        <td data-name="subscribers">${row.subscribers}</td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

export function Channels() {
  const [prefix, setPrefix] = useState('');
  const { value, error } = usePolled(() => api.channels(prefix, LIMIT), EVERY_MS, [prefix]);
  return html`
    <h2>Channels</h2>
    <div class="card row">
      <label>Begins with
        <input name="prefix" value=${prefix} autocomplete="off" onInput=${(event) => setPrefix(event.target.value)} />
      </label>
      <p class="quiet" role="status">${value
        ? `${many(value.channels.length, 'channel')}${value.complete ? '' : ' and more'}` : 'asking…'}</p>
    </div>
    <${Problem} error=${error} />
    <${Silent} nodes=${value?.silent} />
    ${value && byPattern(value.channels).map(([pattern, rows]) => html`
      <${Group} key=${pattern} pattern=${pattern} rows=${rows} />`)}
    ${value && !value.channels.length && html`<p class="card quiet">${prefix ? 'No channel begins like that.' : html`The store knows no channel
      yet. <a href="#/publish">Publish something</a>, and it appears here.`}</p>`}`;
}
