// Decisions on their way: each waits in the page for a while, where it can be undone.

import { element, filmId, post } from "./film.js";

const UNDO_MS = Number(document.getElementById("film").dataset.undoS) * 1000;
// A page that is left may still send 64 KiB in all; with more than that under way the browser asks
// to wait.
const MOST_LEAVING_BYTES = 60_000;
const MOST_AT_ONCE_BYTES = 20_000;
const MOST_AT_ONCE = 100;
// Where what had no answer when a page was left stands for the next page of the film.
const UNSURE = `unsure:${filmId}`;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(UNSURE) ?? "[]");
  } catch {
    return []; // this browser stores nothing
  }
}

/**
 * The queue of a page, shown in `place`. It tells `held(decisions)`, `undone(decisions, words)`,
 * `settled(decision, result)` and `failed(decisions, words)`.
 */
export class Queue {
  #place;
  #told;
  #entries = [];
  #leaving = 0;
  #unsure = new Set();

  constructor(place, told) {
    this.#place = place;
    this.#told = told;
    addEventListener("pagehide", () => this.flush());
    // A phone ends hidden pages without another word.
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
    addEventListener("beforeunload", (event) => {
      this.flush();
      if (this.#unsure.size) event.preventDefault();
    });
  }

  /** Whether a shot is decided and not sent yet. */
  holds(shotId) {
    return this.#entries.some((entry) => entry.decisions.some((each) => each.shot_id === shotId));
  }

  /** The decisions that wait, newest last. */
  get decisions() {
    return this.#entries.flatMap((entry) => entry.decisions);
  }

  /** Let decisions wait together; `words` say what they are and `cost` resolves to what they cost. */
  add(decisions, words, cost) {
    const entry = { decisions, words };
    entry.card = this.#shown(entry, cost);
    entry.timer = setTimeout(() => this.#send(entry), UNDO_MS);
    this.#entries.push(entry);
    this.#told.held(decisions);
  }

  /** Take back what was decided last; false where nothing waits. */
  undo(entry = this.#entries.at(-1)) {
    if (!entry || !this.#drop(entry)) return false;
    entry.card.remove();
    this.#told.undone(entry.decisions, entry.words);
    return true;
  }

  /** Send everything at once. */
  flush() {
    for (const entry of [...this.#entries]) this.#send(entry);
  }

  /** Offer again what the page before was left with. */
  recall() {
    const why = new Error("The page was left before an answer came.");
    for (const unsure of kept()) this.#offer(unsure, why);
  }

  #drop(entry) {
    const place = this.#entries.indexOf(entry);
    if (place < 0) return false;
    clearTimeout(entry.timer);
    clearInterval(entry.clock);
    this.#entries.splice(place, 1);
    return true;
  }

  async #send(entry) {
    if (!this.#drop(entry)) return;
    entry.card.classList.add("sending");
    entry.card.querySelector("button").disabled = true;
    // All parts now: whoever leaves the page gives no second moment to send the rest.
    await Promise.all(chunks(entry.decisions).map((part) => this.#sendPart(part, entry.words)));
    entry.card.remove();
  }

  async #sendPart(part, words) {
    const size = bytes(part);
    const keepalive = this.#leaving + size <= MOST_LEAVING_BYTES;
    const unsure = { part, words };
    if (keepalive) this.#leaving += size;
    else this.#keep(unsure);
    try {
      const { results } = await post("/decisions", { decisions: part }, { keepalive });
      this.#forget(unsure);
      const found = new Map(results.map((result) => [result.shot_id, result]));
      for (const each of part) this.#told.settled(each, found.get(each.shot_id));
    } catch (error) {
      this.#offer(unsure, error);
    } finally {
      if (keepalive) this.#leaving -= size;
    }
  }

  #keep(unsure) {
    this.#unsure.add(unsure);
    this.#remember();
  }

  #forget(unsure) {
    if (this.#unsure.delete(unsure)) this.#remember();
  }

  #remember() {
    try {
      if (this.#unsure.size) localStorage.setItem(UNSURE, JSON.stringify([...this.#unsure]));
      else localStorage.removeItem(UNSURE);
    } catch {
      // A browser that stores nothing asks before the page is left, and that is all it can do.
    }
  }

  /** What could not be sent stays in sight until it is sent again or dropped; twice does no harm. */
  #offer(unsure, error) {
    const { part: decisions, words } = unsure;
    this.#keep(unsure);
    const again = element("button", { type: "button", className: "quiet", textContent: "Send again" });
    const drop = element("button", { type: "button", className: "quiet", textContent: "Drop" });
    const said = element("p", { textContent: `${words}: not sent. ${error.message}` });
    const card = element("li", { className: "pending failed" }, said, again, drop);
    again.addEventListener("click", () => {
      card.remove();
      this.#forget(unsure);
      const entry = { decisions, words };
      entry.card = this.#shown(entry);
      this.#entries.push(entry);
      this.#send(entry);
    });
    drop.addEventListener("click", () => {
      card.remove();
      this.#forget(unsure);
      this.#told.undone(decisions, words);
    });
    this.#place.append(card);
    this.#told.failed(decisions, `${words}: not sent. ${error.message}`);
  }

  #shown(entry, cost) {
    const left = element("span", { ariaHidden: "true", textContent: seconds(UNDO_MS) });
    const undo = element("button", { type: "button", className: "quiet" }, "Undo ", left);
    const price = element("span", { className: "dim" });
    const said = element("p", {}, entry.words, " ", price);
    const bar = element("div", { className: "countdown", ariaHidden: "true" });
    const card = element("li", { className: "pending" }, said, undo, bar);
    bar.style.setProperty("--undo", `${UNDO_MS}ms`);
    const ends = performance.now() + UNDO_MS;
    entry.clock = setInterval(() => (left.textContent = seconds(ends - performance.now())), 250);
    undo.addEventListener("click", () => this.undo(entry));
    cost?.then((words) => (price.textContent = words));
    this.#place.append(card);
    return card;
  }
}

function seconds(ms) {
  return String(Math.max(0, Math.ceil(ms / 1000)));
}

function bytes(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/** Decisions in parts that are small enough to be sent while the page is being left. */
function chunks(decisions) {
  const parts = [[]];
  let size = 0;
  for (const each of decisions) {
    const last = parts.at(-1);
    const own = bytes(each);
    if (last.length && (size + own > MOST_AT_ONCE_BYTES || last.length === MOST_AT_ONCE)) {
      parts.push([each]);
      size = own;
    } else {
      last.push(each);
      size += own;
    }
  }
  return parts;
}
