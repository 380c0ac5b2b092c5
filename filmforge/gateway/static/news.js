// News of the film: one connection for everything on a page that wants to hear of it.

import { here } from "./film.js";

const CLOSED = 2;
const listeners = new Set();
let source;
let at;

/**
 * Call `told(shots)` with the shots of which there is news, those after the event `from`, and
 * `stands(words, live)` when the connection comes or goes.
 */
export function onNews(from, told, stands = () => {}) {
  listeners.add({ told, stands });
  if (at !== undefined) return;
  at = Number(from) || 0;
  follow();
  document.addEventListener("visibilitychange", follow);
  addEventListener("pageshow", (event) => event.persisted && follow());
  addEventListener("pagehide", () => source?.close());
}

/** Follow the film while the page is looked at: a browser keeps few connections for all its tabs. */
function follow() {
  source?.close();
  if (document.hidden) return;
  source = new EventSource(`${here}/live?after=${at}`);
  source.onopen = () => stand("Live", true);
  source.onerror = () =>
    stand(source.readyState === CLOSED ? "Not live: load the page again" : "Connecting again…", false);
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    at = news.at;
    for (const { told } of listeners) told(news.shots);
  };
}

function stand(words, live) {
  for (const { stands } of listeners) stands(words, live);
}
