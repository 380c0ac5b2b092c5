// News of the film: one connection for everything on a page that wants to hear of it.

import { here } from "./film.js";

const listeners = new Set();
let source = null;

/** Call `told(shots)` with the shots of which there is news, those after the event `at`. */
export function onNews(at, told) {
  listeners.add(told);
  source ??= connect(at);
}

function connect(at) {
  const made = new EventSource(`${here}/live?after=${encodeURIComponent(at || 0)}`);
  made.addEventListener("message", (event) => {
    const { shots } = JSON.parse(event.data);
    for (const told of listeners) told(shots);
  });
  return made;
}
