// Storing a message.

import { api } from '../api.js';
import { html, link, Problem, useAction, useState } from '../dom.js';

export function Publish() {
  const [names, setNames] = useState('');
  const [body, setBody] = useState('{"body": "hello"}');
  const [kind, setKind] = useState('');
  const [isText, setIsText] = useState(false);
  const channels = names.split(/[\s,]+/).filter((name) => name);
  const { busy, done, error, run } = useAction(() => {
    if (!channels.length) throw new Error('Name at least one channel.');
    const headers = { 'Content-Type': isText ? 'text/plain' : 'application/json' };
    if (kind) headers['Event-Type'] = kind;
    return api.publish(channels, body, headers);
  });
  return html`
    <h2>Publish</h2>
    <form class="card" onSubmit=${run}>
      <label>Channels <span class="hint">one or more, with spaces between; stored in all or in none</span>
        <input name="channels" value=${names} required autocomplete="off" onInput=${(event) => setNames(event.target.value)} /></label>
      <label>Message
        <textarea name="message" class="code" spellcheck=${false} value=${body} onInput=${(event) => setBody(event.target.value)}></textarea></label>
      <div class="row">
        <label>Event type <span class="hint">optional</span>
          <input name="type" value=${kind} autocomplete="off" onInput=${(event) => setKind(event.target.value)} /></label>
        <label class="inline"><input type="checkbox" checked=${isText} onChange=${(event) => setIsText(event.target.checked)} />
          text, not JSON</label>
        <button class="main" disabled=${busy}>Publish</button>
      </div>
      <${Problem} error=${error} />
      <div role="status">${done && html`<p class="good">Stored:</p>
        <ul>${done.messages.map((row) => html`<li key=${row.channel}><a href=${link('channels', row.channel)}>${row.channel}</a>,
          id ${row.id}, ${row.time}, tag ${row.tag}</li>`)}</ul>`}</div>
    </form>`;
}
