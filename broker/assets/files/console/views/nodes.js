// Every process that serves from the same store.

import { api } from '../api.js';
import { brief, duration, html, link, many, Problem, Silent, usePolled, whole } from '../dom.js';

const EVERY_MS = 3000;

// Whichever answers, they stay in their places.
const placed = (one, other) => one.host.localeCompare(other.host) || one.pid - other.pid;

export function Nodes() {
  const { value, error } = usePolled(api.nodes, EVERY_MS);
  return html`
    <h2>Nodes</h2>
    <${Problem} error=${error} />
    ${value && html`
      <${Silent} nodes=${value.silent} />
      <div class="card scroll"><table class="stack">
        <caption class="quiet">Processes on the same store</caption>
        <thead><tr><th scope="col">node</th><th scope="col">machine</th><th scope="col">process</th>
          <th scope="col">up for</th><th scope="col">subscribers</th></tr></thead>
        <tbody>${value.nodes.toSorted(placed).map((row) => html`<tr key=${row.node}>
          <td data-name="node" class="code" title=${row.node}>${brief(row.node)}${row === value.nodes[0] ? ' (answered)' : ''}</td>
          <td data-name="machine">${row.host}</td>
          <td data-name="process">${row.pid}</td>
          <td data-name="up for">${duration(row.uptime_s)}</td>
          <td data-name="subscribers"><a href=${link('sessions', '', row.node)}
            aria-label=${`${many(row.subscribers, 'session')} of node ${brief(row.node)}`}>${whole(row.subscribers)}</a></td></tr>`)}</tbody>
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
