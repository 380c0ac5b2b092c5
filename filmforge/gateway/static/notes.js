// Notes beside a take: marks are drawn on the picture, shown where they belong, and kept up to date.

import { here, post } from "./film.js";
import { Surface } from "./marks.js";
import { onNews } from "./news.js";

const section = document.getElementById("notes");
let keep = async (_frame, note) => note;
if (section) begin();

/**
 * Send what is drawn or written here and not sent yet before a frame is rejected with a note, whose
 * words go with marks that have none; resolves to the note that is left, or null if nothing was sent.
 */
export function keepUnsent(frame, note) {
  return keep(frame, note);
}

function begin() {
  const { shot, digest } = section.dataset;
  const list = document.getElementById("notes-list");
  const form = document.getElementById("notes-say");
  const stage = document.querySelector(`.stage[data-digest="${CSS.escape(digest)}"]`);
  const surface = stage?.querySelector("img, video") ? new Surface(stage, drawn) : null;
  const clip = surface?.media instanceof HTMLVideoElement ? surface.media : null;
  const status = document.getElementById("notes-status");
  const places = `/shots/${encodeURIComponent(shot)}/notes`;

  if (form && surface) tools();
  if (form) keep = keepAll;
  section.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target);
  });
  list.addEventListener("focusin", (event) => show(event.target.closest(".thread")));
  list.addEventListener("click", (event) => {
    const thread = event.target.closest(".thread");
    const link = event.target.closest("a.show");
    if (link) event.preventDefault();
    show(thread, Boolean(link));
  });
  document.addEventListener("focusin", (event) => {
    if (!section.contains(event.target)) show(null);
  });
  onNews(section.dataset.at, (shots) => shots.includes(shot) && refresh());

  function tools() {
    const bar = form.querySelector(".tools");
    bar.hidden = false;
    bar.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button && "clear" in button.dataset) surface.clear();
      if (!button?.dataset.tool) return;
      const taken = button.getAttribute("aria-pressed") === "true";
      choose(taken ? null : button.dataset.tool);
      // A click without a pointer is a key: the hand that draws is on the keyboard.
      if (!taken && event.detail === 0 && !surface.place(button.dataset.tool)) {
        say("Draw with the pointer; box and arrow are there for the keyboard.");
      }
    });
    if (!clip) return;
    const label = form.querySelector(".at-time");
    label.hidden = false;
    const tell = () => (label.querySelector("output").textContent = clock(clip.currentTime));
    clip.addEventListener("timeupdate", tell);
    clip.addEventListener("seeked", tell);
    form.elements.text.addEventListener("focus", () => clip.pause());
    tell();
  }

  function choose(tool) {
    surface.take(tool);
    for (const button of form.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    if (tool) {
      clip?.pause();
      show(null);
      stage.scrollIntoView({ block: "nearest" });
    }
  }

  function drawn(marks) {
    form.querySelector("[data-clear]").disabled = marks.length === 0;
  }

  /** Show what a comment is about, if it is about the take that is seen. */
  function show(thread, seek = false) {
    for (const each of list.querySelectorAll(".thread.shown")) each.classList.remove("shown");
    const here = thread && thread.dataset.digest === digest;
    thread?.classList.add("shown");
    surface?.show(here ? JSON.parse(thread.dataset.marks) : []);
    if (!here || !seek) return;
    if (clip && thread.dataset.atMs) {
      clip.pause();
      clip.currentTime = Number(thread.dataset.atMs) / 1000;
    }
    stage.scrollIntoView({ block: "nearest" });
  }

  async function keepAll(frame, note) {
    const { text } = form.elements;
    if (!text.value.trim() && !surface?.marks.length) return note;
    const lent = frame === digest && !text.value.trim();
    if (lent) text.value = note;
    if (!form.reportValidity() || !(await send(form))) return null;
    return lent ? "" : note;
  }

  /** Send a form of the notes; resolves to whether it was taken. */
  async function send(sent) {
    const path = new URL(sent.action).pathname.slice(here.length);
    const body = Object.fromEntries(new FormData(sent));
    delete body.form_key;
    if (sent === form) Object.assign(body, seen());
    const button = sent.querySelector('[type="submit"]');
    button.disabled = true;
    try {
      await post(path, body);
      if (sent === form) empty();
      else sent.reset();
      say("");
      await refresh();
      return true;
    } catch (error) {
      say(error.message);
      return false;
    } finally {
      button.disabled = false;
    }
  }

  function seen() {
    const timed = clip && form.querySelector(".at-time input").checked;
    const marks = surface?.marks ?? [];
    return timed ? { marks, at_ms: Math.round(clip.currentTime * 1000) } : { marks };
  }

  function empty() {
    form.elements.text.value = "";
    surface?.clear();
    if (surface) choose(null);
  }

  function say(words) {
    if (status) status.textContent = words;
  }

  /** The list anew; what somebody writes in it, and where they are, stays. */
  async function refresh() {
    const answer = await fetch(`${here}${places}?digest=${digest}`, { headers: { Accept: "text/html" } });
    if (!answer.ok) return say(`The notes could not be loaded: the server answered ${answer.status}.`);
    const html = await answer.text();
    const shown = list.querySelector(".thread.shown")?.id;
    const held = document.activeElement?.closest?.("#notes-list .thread")?.id;
    const drafts = written();
    list.replaceChildren(document.createRange().createContextualFragment(html));
    for (const [id, text, focused] of drafts) restore(id, text, focused);
    if (held && !list.contains(document.activeElement)) {
      document.getElementById(held)?.querySelector("a, button, summary")?.focus({ preventScroll: true });
    }
    show(shown ? document.getElementById(shown) : null);
  }

  function written() {
    return [...list.querySelectorAll(".thread details[open] textarea")]
      .filter((area) => area.value || area === document.activeElement)
      .map((area) => [area.closest(".thread").id, area.value, area === document.activeElement]);
  }

  function restore(id, text, focused) {
    const area = document.getElementById(id)?.querySelector("textarea");
    if (!area) return;
    area.closest("details").open = true;
    area.value = text;
    if (focused) area.focus({ preventScroll: true });
  }
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}
