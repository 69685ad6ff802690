// The frame: which view is shown, the key, the tenant, light and dark.

import { access, onAccess } from './api.js';
import { collect } from './collector.js';
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
  ['sessions', 'Sessions', (channel) => html`<${Sessions} key=${channel} channel=${channel} />`],
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
  const [view, name] = location.hash.replace(/^#\/?/, '').split('/');
  return [view || VIEWS[0][0], name === undefined ? undefined : decodeURIComponent(name)];
}

function KeyDialog() {
  const dialog = useRef(null);
  const [key, setKey] = useState('');
  useEffect(() => onAccess(() => {
    if (access.needed && !dialog.current.open) dialog.current.showModal();
  }), []);
  const save = (event) => {
    event.preventDefault();
    access.key = key;
    setKey('');
    dialog.current.close();
  };
  return html`<dialog ref=${dialog} aria-labelledby="key-title">
    <form onSubmit=${save}>
      <h3 id="key-title">API key</h3>
      <p class="quiet">One of the broker's <code>api_keys</code>. It is kept until this tab is closed.</p>
      <label>Key <input name="key" type="password" autocomplete="off" required value=${key}
        onInput=${(event) => setKey(event.target.value)} /></label>
      <div class="row"><button class="main">Go on</button>
        <button type="button" onClick=${() => dialog.current.close()}>Later</button></div>
    </form>
  </dialog>`;
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
  const [[view, name], setPlace] = useState(place());
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
  useEffect(() => { document.title = `${name ?? title} · Broker`; }, [title, name]);
  return html`
    <header><div class="bar">
      <h1>Broker</h1>
      <nav aria-label="Views"><ul>${VIEWS.map(([key, label]) => html`<li key=${key}>
        <a href=${`#/${key}`} aria-current=${key === view ? 'page' : null}>${label}</a></li>`)}</ul></nav>
      <${Tools} />
    </div></header>
    <main ref=${main} tabindex="-1" key=${access.tenant + access.key}>${show(name)}</main>
    <${KeyDialog} />`;
}

dress();
dark.addEventListener('change', dress);
render(html`<${App} />`, document.getElementById('app'));
collect();
