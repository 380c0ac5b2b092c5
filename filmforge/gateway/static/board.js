// The board while somebody looks at it: the rest of its cards, what changes, filters, clips.

import { element, here } from "./film.js";
import { onNews } from "./news.js";

const list = document.getElementById("cards");
const filters = document.getElementById("filters");
const found = document.getElementById("found");
const more = document.getElementById("more");
const figures = document.getElementById("figures");
const live = document.getElementById("live");

const IDS_AT_ONCE = 100;
const TYPING_MS = 200;
const NEWS_MS = 250;
const AGAIN_MS = 5000;
const REST_MS = 60_000;

// Another choice of filters takes the place of what is still being loaded for the one before.
let loading = new AbortController();
let complete = false;

async function read(path, signal) {
  const answer = await fetch(here + path, { signal });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.detail || `The server answered ${answer.status}.`);
}

/** Our own server's HTML as nodes. */
function nodes(html) {
  return document.createRange().createContextualFragment(html);
}

function tell(words, wrong = false) {
  found.textContent = words;
  found.classList.toggle("wrong", wrong);
}

function count(shown) {
  const all = Number(found.dataset.shots);
  tell(`${shown === all ? "" : `${shown} of `}${all} shot${all === 1 ? "" : "s"}`);
}

/** What the filters say, as an address does. */
function query() {
  const said = new URLSearchParams(new FormData(filters));
  for (const [name, value] of [...said]) if (!value.trim() || value === "story") said.delete(name);
  return said;
}

function changed(shots) {
  document.dispatchEvent(new CustomEvent("board:cards", { detail: { shots } }));
}

/** Load cards from one on until there are no more; the first part takes the place of all. */
async function load(start, afresh) {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  complete = false;
  try {
    for (let later = start; later !== ""; ) {
      const said = query();
      said.set("start", later);
      const answer = await read(`/cards?${said}`, signal);
      const part = nodes(await answer.text());
      if (signal.aborted) return;
      if (afresh && later === start) list.replaceChildren();
      for (const card of [...part.children]) if (document.getElementById(card.id)) card.remove();
      const shots = [...part.children].map((card) => card.dataset.shot);
      list.append(part);
      count(Number(answer.headers.get("X-Found")));
      later = answer.headers.get("X-Later");
      changed(shots);
    }
    complete = true;
    more.hidden = true;
    if (missed.size) changes(missed);
    missed.clear();
  } catch (error) {
    if (!signal.aborted) tell(`Not all shots could be loaded: ${error.message}`, true);
  }
}

function filtered() {
  const said = query().toString();
  history.replaceState(null, "", said ? `?${said}` : location.pathname);
  return load("0", true);
}

/** Put what is new of a card into it; the card itself, the focus and a clip that plays stay. */
function renew(old, fresh) {
  const held = old.contains(document.activeElement) && document.activeElement !== old;
  const place = held ? document.activeElement.className : "";
  for (const { name, value } of fresh.attributes) if (name.startsWith("data-")) old.setAttribute(name, value);
  const still = old.querySelector(".still");
  const next = fresh.querySelector(".still");
  if (still.querySelector("img")?.src === next.querySelector("img")?.src) next.replaceWith(still);
  old.replaceChildren(...fresh.childNodes);
  if (held) (old.getElementsByClassName(place)[0] ?? old).focus({ preventScroll: true });
  old.classList.add("changed");
}

/** Show a card that fits only now, where it belongs. */
function place(card) {
  const position = Number(card.dataset.position);
  const next = [...list.children].find((each) => Number(each.dataset.position) > position);
  if (filters.elements.order.value === "status") list.prepend(card);
  else if (next) next.before(card);
  else if (complete) list.append(card);
  else return;
  card.classList.add("changed");
  if (complete) count(list.children.length);
}

async function renewCards(ids) {
  const known = ids.filter((id) => document.getElementById(`shot-${id}`));
  const others = query().size ? ids.filter((id) => !known.includes(id)) : [];
  for (const [wanted, said] of [[known, new URLSearchParams()], [others, query()]]) {
    said.delete("start");
    for (let from = 0; from < wanted.length; from += IDS_AT_ONCE) {
      said.set("ids", wanted.slice(from, from + IDS_AT_ONCE).join(","));
      const part = nodes(await (await read(`/cards?${said}`)).text());
      for (const card of [...part.children]) {
        const old = document.getElementById(card.id);
        if (old) renew(old, card);
        else place(card);
      }
    }
  }
  changed(ids);
}

async function renewFigures() {
  figures.replaceChildren(nodes(await (await read("/figures")).text()));
}

let restAt = -Infinity;
let resting = 0;

/** What it takes to finish is worked out for each shot: it comes by itself, and not at every change. */
async function renewRest() {
  const early = restAt + REST_MS - performance.now();
  if (early > 0) {
    resting ||= setTimeout(renewRest, early);
    return;
  }
  resting = 0;
  restAt = performance.now();
  const rest = document.getElementById("rest");
  try {
    const answer = await read("/rest");
    rest.replaceChildren(...nodes(await answer.text()).querySelectorAll("#rest > *"));
  } catch (error) {
    rest.textContent = `What it takes to finish is not known: ${error.message}`;
  }
}

const pending = new Set();
// What changed while cards were on their way here, which may show it as it was before.
const missed = new Set();
let renewing = 0;

async function renewAll() {
  const ids = [...pending];
  pending.clear();
  if (!complete) for (const id of ids) missed.add(id);
  try {
    await Promise.all([renewFigures(), renewCards(ids)]);
    renewing = 0;
    if (pending.size) hear();
  } catch (error) {
    for (const id of ids) pending.add(id);
    tell(`What changed could not be shown: ${error.message}`, true);
    renewing = setTimeout(renewAll, AGAIN_MS);
  }
  await renewRest();
}

function hear() {
  renewing ||= setTimeout(renewAll, NEWS_MS);
}

function say(words, on) {
  live.textContent = words;
  live.classList.toggle("on", on);
}

function changes(shots) {
  for (const id of shots) pending.add(id);
  hear();
}

// A decision that was refused: the card may not tell the truth.
document.addEventListener("shot:doubted", (event) => changes(event.detail.shots));

const still = matchMedia("(prefers-reduced-motion: reduce)");
let playing;

/** Play the clip of a card, and no other. */
function play(card) {
  if (playing?.card === card) return;
  playing?.video.remove();
  playing = undefined;
  if (!card?.dataset.clip || still.matches) return;
  const video = element("video", { className: "clip", muted: true, loop: true, playsInline: true, autoplay: true });
  video.tabIndex = -1;
  video.ariaHidden = "true";
  video.src = `${here}/media/${card.dataset.clip}`;
  card.querySelector(".still").append(video);
  playing = { card, video };
}

list.addEventListener("pointerover", (event) => event.pointerType !== "touch" && play(event.target.closest(".card")));
list.addEventListener("pointerleave", () => play());
list.addEventListener("focusin", (event) => play(event.target.closest(".card")));
list.addEventListener("focusout", (event) => list.contains(event.relatedTarget) || play());
list.addEventListener("animationend", (event) => event.target.classList.remove("changed"));

let typing;
filters.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filtered, TYPING_MS);
});
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  filtered();
});
filters.querySelector("button").hidden = true;

// The counts are links to what they count; here they set the filters instead of loading the page.
figures.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='?']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const said = new URL(link.href).searchParams;
  for (const field of filters.elements) {
    if (field.type === "checkbox") field.checked = said.has(field.name);
    else if (field.name) field.value = said.get(field.name) ?? (field.name === "order" ? field.value : "");
  }
  filtered();
});

onNews(list.dataset.at, changes, say);
renewRest();
if (more.dataset.later) load(more.dataset.later, false);
else complete = true;
