// Looks at the metrics once a second as long as the console is open, so that charts go on while
// another view is shown.

import { api, onAccess } from './api.js';
import { figures, parse } from './metrics.js';

const EVERY_MS = 1000;
const KEPT = 300;

const listeners = new Set();
const state = { points: [], error: null, seenAt: null };
let before = null;
let timer = null;

async function look() {
  try {
    const text = await api.metrics();
    const at = performance.now() / 1000;
    const samples = parse(text);
    if (before !== null) {
      const point = { time: Date.now() / 1000, ...figures(before.samples, samples, at - before.at) };
      state.points = [...state.points.slice(1 - KEPT), point];
    }
    before = { at, samples };
    state.error = null;
    state.seenAt = Date.now();
  } catch (error) {
    state.error = error;
    before = null;
  }
  for (const listener of listeners) listener({ ...state });
  timer = setTimeout(look, EVERY_MS);
}

export function collect() {
  look();
  onAccess(() => {
    if (state.error === null) return;
    clearTimeout(timer);
    timer = setTimeout(look, 50);
  });
}

export function onPoints(listener) {
  listeners.add(listener);
  listener({ ...state });
  return () => listeners.delete(listener);
}
