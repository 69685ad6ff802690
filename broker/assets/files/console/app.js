// The frame: which view is shown, the key, the tenant, light and dark.

import { access, askForKey, onAccess } from './api.js';
import { collect, onPoints } from './collector.js';
import { html, render, useEffect, useRef, useState } from './dom.js';
import { Channel } from './views/channel.js';
import { Channels } from './views/channels.js';
import { Nodes } from './views/nodes.js';
import { Overview } from './views/overview.js';
import { Publish } from './views/publish.js';
import { Sessions } from './views/sessions.js';
import { Subscribe } from './views/subscribe.js';
import { Tokens } from './views/tokens.js';

const VIEWS = [
  ['overview', 'Overview', () => html`<${Overview} />`],
  ['channels', 'Channels', (name) => (name ? html`<${Channel} key=${name} name=${name} />` : html`<${Channels} />`)],
  ['sessions', 'Sessions', (channel, node) => html`<${Sessions} key=${`${channel}/${node}`} channel=${channel} node=${node} />`],
  ['publish', 'Publish', () => html`<${Publish} />`],
  ['subscribe', 'Subscribe', () => html`<${Subscribe} />`],
  ['tokens', 'Tokens', () => html`<${Tokens} />`],
  ['nodes', 'Nodes', () => html`<${Nodes} />`],
];
const THEME = 'broker-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

const theme = () => localStorage.getItem(THEME) ?? (dark.matches ? 'dark' : 'light');

function dress() {
  document.documentElement.dataset.theme = theme();
}

function place() {
  const [view, ...names] = location.hash.replace(/^#\/?/, '').split('/');
  return [view || VIEWS[0][0], ...names.map(decodeURIComponent)];
}

function KeyDialog() {
  const dialog = useRef(null);
  const [key, setKey] = useState('');
  const [, redraw] = useState(0);
  useEffect(() => onAccess(() => {
    if (access.needed && !access.later && !dialog.current.open) dialog.current.showModal();
    redraw((count) => count + 1);
  }), []);
  const save = (event) => {
    event.preventDefault();
    dialog.current.close('given');
    access.key = key;
    setKey('');
  };
  const closed = () => {
    if (dialog.current.returnValue !== 'given') askForKey(false);
    dialog.current.returnValue = '';
  };
  return html`<dialog ref=${dialog} aria-labelledby="key-title" onClose=${closed}>
    <form onSubmit=${save}>
      <h3 id="key-title">API key</h3>
      <p class="quiet">One of the broker's <code>api_keys</code>. It is kept until this tab is closed.</p>
      <label>Key <input name="key" type="password" autocomplete="off" required value=${key}
        onInput=${(event) => setKey(event.target.value)} /></label>
      ${access.refusal && html`<p role="alert" class="bad">${access.refusal}</p>`}
      <div class="row"><button class="main">Go on</button>
        <button type="button" onClick=${() => dialog.current.close()}>Later</button></div>
    </form>
  </dialog>`;
}

// What is wrong with all views at once: nothing answers, or no key was given.
function Trouble() {
  const [{ error, seenAt }, setState] = useState({ error: null, seenAt: null });
  useEffect(() => onPoints(setState), []);
  if (!error) return null;
  const old = seenAt && html` What is shown is of ${new Date(seenAt).toLocaleTimeString()}.`;
  return html`<div id="broker-state" role="alert">
    ${access.needed ? html`An API key is needed.${' '}<button type="button" onClick=${() => askForKey(true)}>Give the key</button>`
      : html`${error.message} It is tried again every second.${old}`}
  </div>`;
}

function Tools() {
  const [, redraw] = useState(0);
  const [tenant, setTenant] = useState(access.tenant);
  useEffect(() => onAccess(() => redraw((count) => count + 1)), []);
  const turn = () => {
    localStorage.setItem(THEME, theme() === 'dark' ? 'light' : 'dark');
    dress();
    redraw((count) => count + 1);
  };
  const choose = (event) => {
    event.preventDefault();
    access.tenant = tenant.trim();
  };
  return html`<div class="tools">
    <form class="row" onSubmit=${choose}><input name="tenant" aria-label="Tenant" placeholder="tenant" value=${tenant}
      autocomplete="off" onInput=${(event) => setTenant(event.target.value)} onChange=${choose} /></form>
    <button type="button" onClick=${turn} aria-label=${`Switch to ${theme() === 'dark' ? 'light' : 'dark'} colours`}>
      ${theme() === 'dark' ? '☀' : '☾'}</button>
    ${access.key && html`<button type="button" onClick=${() => { access.key = ''; }}>Forget the key</button>`}
  </div>`;
}

function App() {
  const [[view, ...names], setPlace] = useState(place());
  const [, redraw] = useState(0);
  const main = useRef(null);
  useEffect(() => {
    const move = () => {
      setPlace(place());
      main.current.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener('hashchange', move);
    const forget = onAccess(() => redraw((count) => count + 1));
    return () => {
      removeEventListener('hashchange', move);
      forget();
    };
  }, []);
  const [, title, show] = VIEWS.find(([key]) => key === view) ?? VIEWS[0];
  const name = names[0] || title;
  useEffect(() => { document.title = `${name} · Broker`; }, [name]);
  return html`
    <header><div class="bar">
      <h1>Broker</h1>
      <nav aria-label="Views"><ul>${VIEWS.map(([key, label]) => html`<li key=${key}>
        <a href=${`#/${key}`} aria-current=${key === view ? 'page' : null}>${label}</a></li>`)}</ul></nav>
      <${Tools} />
    </div></header>
    <${Trouble} />
    <main ref=${main} tabindex="-1" key=${access.tenant + access.key}>${show(...names)}</main>
    <${KeyDialog} />`;
}

dress();
dark.addEventListener('change', dress);
render(html`<${App} />`, document.getElementById('app'));
collect();
