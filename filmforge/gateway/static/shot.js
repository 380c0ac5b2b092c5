// The page of a shot while somebody looks at it: what changes, and two takes compared.

import { element } from "./film.js";
import { onNews } from "./news.js";

const STEP = 2;
const FAR_STEP = 10;
const OUT_OF_STEP_S = 0.06;

const shot = document.getElementById("shot");
onNews(shot.dataset.at, (shots) => shots.includes(shot.dataset.shot) && refresh());
document.addEventListener("shot:doubted", refresh);

/** Show where the shot stands now; what is looked at and what is being written stay. */
async function refresh() {
  const news = document.getElementById("news");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const fresh = element("template", { innerHTML: await answer.text() }).content;
    const now = fresh.querySelector("#shot");
    for (const part of [".states", ".made"]) {
      const newer = now.querySelector(part);
      if (newer) shot.querySelector(part)?.replaceWith(newer);
    }
    document.title = fresh.querySelector("title").textContent;
    tellNewer(news, now);
  } catch (error) {
    news.textContent = `What changed could not be shown: ${error.message}`;
    news.hidden = false;
  }
}

/** A frame that nobody has looked at here is not decided about here. */
function tellNewer(news, now) {
  const { digest, review, execution } = now.dataset;
  const newer = digest && digest !== shot.dataset.digest;
  if (!newer && review === shot.dataset.review && execution === shot.dataset.execution) return;
  Object.assign(shot.dataset, { review, execution });
  if (digest !== shot.dataset.digest) {
    shot.dataset.digest = "";
    for (const button of shot.querySelectorAll("#verdict button")) button.disabled = true;
  }
  const state = shot.querySelector(".states").textContent.replace(/\s+/g, " ").trim();
  const link = element("a", { href: location.pathname, textContent: newer ? "Look at it" : "Load the page again" });
  news.replaceChildren(newer ? "A newer frame waits for approval. " : `The shot has changed: ${state}. `, link);
  news.hidden = false;
}

const pair = document.getElementById("compare");
if (pair) {
  const [first, second] = pair.querySelectorAll("figure");
  offerWipe(pair, first, second);
  const clips = [...pair.querySelectorAll("video")];
  if (clips.length) playTogether(pair, clips);
}

function nameOf(figure) {
  return figure.querySelector("figcaption").textContent;
}

/** Buttons for the two ways to look, and a handle that pointer, finger and arrow keys move. */
function offerWipe(pair, first, second) {
  const handle = element("div", { className: "handle", tabIndex: 0 });
  const said = { role: "slider", "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": "horizontal" };
  said["aria-label"] = `Wipe from ${nameOf(first)} to ${nameOf(second)}`;
  for (const [name, value] of Object.entries(said)) handle.setAttribute(name, value);
  pair.append(handle);

  let at = 50;
  const move = (to) => {
    at = Math.min(100, Math.max(0, to));
    pair.style.setProperty("--at", `${at}%`);
    handle.setAttribute("aria-valuenow", Math.round(at));
    handle.setAttribute("aria-valuetext", `${Math.round(at)} % ${nameOf(first)}`);
  };
  const follow = (event) => {
    const box = pair.getBoundingClientRect();
    move(((event.clientX - box.left) / box.width) * 100);
  };
  pair.addEventListener("pointerdown", (event) => {
    if (!pair.classList.contains("wiping") || event.button) return;
    pair.setPointerCapture(event.pointerId);
    follow(event);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  pair.addEventListener("pointermove", (event) => {
    if (pair.hasPointerCapture(event.pointerId)) follow(event);
  });
  handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? FAR_STEP : STEP;
    const to = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  move(50);
  pair.before(ways(pair));
}

function ways(pair) {
  const names = { wiping: "Wipe", beside: "Side by side" };
  const buttons = Object.entries(names).map(([way, words]) => {
    const button = element("button", { type: "button", className: "quiet", textContent: words, value: way });
    button.addEventListener("click", () => choose(way));
    return button;
  });
  const choose = (way) => {
    pair.classList.toggle("wiping", way === "wiping");
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === way));
  };
  choose("wiping");
  const group = element("div", { className: "ways" }, ...buttons);
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "How to compare");
  return group;
}

/** One button and one line of time for all clips; the first keeps the others in step. */
function playTogether(pair, clips) {
  const [lead, ...rest] = clips;
  const play = element("button", { type: "button", className: "quiet", textContent: "Play" });
  const time = element("input", { type: "range", min: 0, max: 1, step: "any", value: 0, ariaLabel: "Time" });
  for (const clip of clips) {
    clip.controls = false;
    clip.loop = false;
  }
  for (const clip of rest) clip.muted = true;
  const inStep = () => {
    for (const clip of rest) {
      const wanted = Math.min(lead.currentTime, clip.duration || lead.currentTime);
      if (Math.abs(clip.currentTime - wanted) > OUT_OF_STEP_S) clip.currentTime = wanted;
    }
    if (lead.duration) time.value = lead.currentTime / lead.duration;
  };
  const each = () => {
    inStep();
    if (!lead.paused) requestAnimationFrame(each);
  };
  lead.addEventListener("play", () => {
    for (const clip of rest) clip.play();
    play.textContent = "Pause";
    each();
  });
  lead.addEventListener("pause", () => {
    for (const clip of rest) clip.pause();
    play.textContent = "Play";
    inStep();
  });
  play.addEventListener("click", () => (lead.paused ? lead.play() : lead.pause()));
  time.addEventListener("input", () => {
    if (lead.duration) lead.currentTime = Number(time.value) * lead.duration;
    inStep();
  });
  lead.addEventListener("seeked", inStep);
  pair.after(element("div", { className: "together" }, play, time));
}
