// Tells the test program what happens here, one event a request, in order. The answer says whether to leave.
import { parameters } from './parameters.js';

const start = performance.now();
let last = Promise.resolve();
let leave = () => {};

export function onLeave(handler) {
  leave = handler;
}

export function report(event, fields = {}) {
  const who = `${parameters.name}/${parameters.resource}`;
  const body = JSON.stringify({ who, event, ms: Math.round(performance.now() - start), ...fields });
  last = last.then(() => post(body)).catch(() => {});
}

async function post(body) {
  const answer = await fetch('report', { method: 'POST', body });
  const order = await answer.text();
  if (order === 'leave') leave();
}

// A fault of the page itself is never silent.
addEventListener('error', event => report('fault', { why: `${event.message} (${event.filename}:${event.lineno})` }));
addEventListener('unhandledrejection', event => report('fault', { why: String(event.reason?.stack ?? event.reason) }));
