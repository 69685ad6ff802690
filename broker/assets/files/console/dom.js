// What every view is written with.

import { h, render } from './vendor/preact.js';
import { useCallback, useEffect, useMemo, useRef, useState } from './vendor/hooks.js';
import htm from './vendor/htm.js';
import { Unreachable } from './api.js';

export const html = htm.bind(h);
export { render, useCallback, useEffect, useMemo, useRef, useState };

const isOfAll = (error) => error instanceof Unreachable || error.status === 401;

// Call an async function now and again, one call at a time, while the page can be seen.
// Gives what it last returned, what went wrong, and a function that calls it now. That nothing
// answers, or no key was given, is told once for the whole page, and no error of a view.
export function usePolled(ask, everyMs, needs = []) {
  const [state, setState] = useState({ value: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    let timer = null;
    let ended = false;
    let asking = false;
    const look = async () => {
      clearTimeout(timer);
      if (asking) return;
      asking = true;
      try {
        const value = document.hidden ? undefined : await ask();
        if (!ended && value !== undefined) setState({ value, error: null });
      } catch (error) {
        if (!ended) setState((old) => ({ ...old, error: isOfAll(error) ? null : error }));
      }
      asking = false;
      if (!ended && everyMs) timer = setTimeout(look, everyMs);
    };
    again.current = look;
    look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, needs);
  return { ...state, again: useCallback(() => again.current(), []) };
}

export const Problem = ({ error }) => html`<p role="alert" class="bad">${error ? error.message : ''}</p>`;

// A form whose submit is an async function; what it returns or throws is shown below.
export function useAction(act) {
  const [state, setState] = useState({ busy: false, done: null, error: null });
  const run = async (event) => {
    event?.preventDefault();
    setState({ busy: true, done: null, error: null });
    try {
      setState({ busy: false, done: await act(event), error: null });
    } catch (error) {
      setState({ busy: false, done: null, error });
    }
  };
  return { ...state, run };
}

// A button that asks once more before it does something that cannot be taken back.
export function Danger({ label, name, onSure, disabled }) {
  const [asked, setAsked] = useState(false);
  const act = () => {
    setAsked(!asked);
    if (asked) onSure();
  };
  return html`<button type="button" class="danger" disabled=${disabled} aria-label=${`${asked ? 'Really ' : ''}${name}`}
    onClick=${act} onBlur=${() => setAsked(false)}>${asked ? 'Sure?' : label}</button>`;
}

const LONGEST = 400;

export const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

export const whole = (number) => Math.round(number).toLocaleString('en');

export const many = (count, noun) => `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;

export function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

// How a node is called where there is little room; its whole name says no more to a person.
export const brief = (node) => node.slice(0, 6);

// Nodes whose part is missing in what is shown.
export function Silent({ nodes }) {
  if (!nodes?.length) return null;
  const names = nodes.map((each) => `${brief(each.node)} (process ${each.pid} on ${each.host})`).join(', ');
  return html`<p class="warn" role="status">No answer from ${names}: what ${nodes.length === 1 ? 'it has' : 'they have'} is missing here.</p>`;
}

// Where a rule stands, without the folders before it.
export const placeOf = (place) => html`<span title=${place}>${place.split('/').at(-1)}</span>`;

// A button that copies a text and says so.
export function Copy({ label, text }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => setCopied(false), [text]);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
  return html`<button type="button" onClick=${copy}>${label}</button>
    <span role="status" class="good"> ${copied ? 'copied' : ''}</span>`;
}

export const link = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;
