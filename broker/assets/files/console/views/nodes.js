// Every process that serves from the same store.

import { api } from '../api.js';
import { duration, html, Problem, usePolled, whole } from '../dom.js';

const EVERY_MS = 3000;

export function Nodes() {
  const { value, error } = usePolled(api.nodes, EVERY_MS);
  return html`
    <h2>Nodes</h2>
    <${Problem} error=${error} />
    ${value && html`
      ${value.silent ? html`<p class="warn">${value.silent} did not answer in time.</p>` : ''}
      <div class="card scroll"><table class="stack">
        <caption class="quiet">Processes on the same store, the one that answered first</caption>
        <thead><tr><th scope="col">node</th><th scope="col">process</th><th scope="col">up for</th>
          <th scope="col">subscribers</th></tr></thead>
        <tbody>${value.nodes.map((row, at) => html`<tr key=${row.node}>
          <td data-name="node" class="code">${row.node}${at === 0 ? ' (this one)' : ''}</td>
          <td data-name="process">${row.pid}</td>
          <td data-name="up for">${duration(row.uptime_s)}</td>
          <td data-name="subscribers">${whole(row.subscribers)}</td></tr>`)}</tbody>
      </table></div>
      <section class="card" aria-label="This node">
        <h3>This node</h3>
        <dl class="facts">
          <div><dt>version</dt><dd>${value.here.version}</dd></div>
          <div><dt>subscribers connect to</dt><dd class="code">${value.here.public}</dd></div>
          <div><dt>workers</dt><dd>${value.here.workers}</dd></div>
          <div><dt>tenant of this console</dt><dd>${value.here.tenant}</dd></div>
          <div><dt>key</dt><dd>${value.here.key ?? 'none asked for'}</dd></div>
          <div><dt>state</dt><dd>${value.here.draining ? 'stopping' : 'serving'}</dd></div>
        </dl>
      </section>`}`;
}
