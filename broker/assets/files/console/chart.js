// A line chart that moves.

import { html, useEffect, useRef } from './dom.js';

const HEIGHT = { wide: 200, narrow: 160 };
const NARROW = 576;
const LEAST_S = 60;

// The last minute at least, so that a chart begins as it goes on.
function span(times) {
  const last = times.at(-1) ?? Date.now() / 1000;
  return [Math.min(times[0] ?? last, last - LEAST_S), last];
}

const clock = (_, seconds) => seconds.map((each) => new Date(each * 1000).toLocaleTimeString());

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const height = () => (innerWidth < NARROW ? HEIGHT.narrow : HEIGHT.wide);

function options(series, width) {
  const axis = {
    stroke: () => style('--quiet'),
    grid: { stroke: () => style('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: height(),
    legend: { show: false },
    cursor: { y: false },
    scales: {
      x: { range: (plot) => span(plot.data[0]) },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
    },
    axes: [{ ...axis, values: clock, space: 90, size: 32 }, { ...axis, size: 56 }],
    series: [{}, ...series.map((_, at) => ({
      stroke: () => style(`--series-${at + 1}`), width: 2, points: { show: false },
    }))],
  };
}

const shown = (number) => (number == null ? '–' : number.toLocaleString('en', { maximumFractionDigits: 1 }));

// `series` is a list of [name, field]; `points` have `time` and the fields.
export function Chart({ title, series, points }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const drawn = new globalThis.uPlot(options(series, place.current.clientWidth), [[]], place.current);
    plot.current = drawn;
    const sizes = new ResizeObserver(([{ contentRect }]) => {
      drawn.setSize({ width: contentRect.width, height: height() });
    });
    sizes.observe(place.current);
    return () => {
      sizes.disconnect();
      drawn.destroy();
    };
  }, []);
  useEffect(() => {
    plot.current.setData([
      points.map((point) => point.time),
      ...series.map(([, field]) => points.map((point) => point[field])),
    ]);
  }, [points]);
  const last = points.at(-1);
  const told = series.map(([name, field]) => `${name} ${last?.[field]?.toFixed(1) ?? 'unknown'}`);
  return html`<section class="card" aria-label=${title}>
    <h3>${title}</h3>
    <div class="chart" ref=${place} role="img" aria-label=${`${title}: ${told.join(', ')}`}></div>
    <ul class="legend">${series.map(([name, field], at) => html`<li key=${name}>
      <svg viewBox="0 0 9 6" aria-hidden="true"><rect width="9" height="6" rx="1" class=${`series-${at + 1}`}/></svg>${name}${' '}<b>${shown(last?.[field])}</b>
    </li>`)}</ul>
  </section>`;
}
