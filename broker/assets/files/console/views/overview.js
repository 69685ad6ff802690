// How much there is, and how fast it goes.

import { Chart } from '../chart.js';
import { onPoints } from '../collector.js';
import { html, useEffect, useState, whole } from '../dom.js';

// Histograms tell no more than that: so much at most.
const milliseconds = (number) => (number === null ? '–' : `≤ ${number} ms`);

const TILES = [
  ['published a second', ({ published }) => whole(published)],
  ['delivered a second', ({ delivered }) => whole(delivered)],
  ['subscribers', ({ sessions }) => whole(sessions)],
  ['connections', ({ connections }) => whole(connections)],
  ['channels heard', ({ channels }) => whole(channels)],
  ['lagging', ({ lagging }) => whole(lagging)],
  ['gaps told', ({ gapsAll }) => whole(gapsAll)],
  ['refused a second', ({ refusals }) => whole(refusals)],
  ['publish to socket, p99', ({ latencyMs }) => milliseconds(latencyMs)],
  ['loop lag, p99', ({ loopLagMs }) => milliseconds(loopLagMs)],
];

export function Overview() {
  const [{ points }, setState] = useState({ points: [] });
  useEffect(() => onPoints(setState), []);
  const last = points.at(-1);
  return html`
    <h2>Overview</h2>
    <dl class="tiles">${TILES.map(([name, show]) => html`<div key=${name}>
      <dt>${name}</dt><dd>${last ? show(last) : '–'}</dd>
    </div>`)}</dl>
    <div class="grid">
      <${Chart} title="Messages a second" points=${points}
        series=${[['published', 'published'], ['delivered', 'delivered']]} />
      <${Chart} title="Subscribers" points=${points}
        series=${[['attached', 'sessions'], ['lagging', 'lagging']]} />
      <${Chart} title="Milliseconds, p99" points=${points}
        series=${[['publish to socket', 'latencyMs'], ['loop lag', 'loopLagMs']]} />
      <${Chart} title="Trouble a second" points=${points}
        series=${[['gaps told', 'gaps'], ['refusals', 'refusals']]} />
    </div>
    <p class="quiet">Numbers of every second, of ${last?.workers > 1 ? `all ${last.workers} workers of this machine` : 'this process'}.</p>`;
}
