// Deciding with the keyboard, the mouse and the finger, on the board and on the page of a shot.

import { askMany, askNote, showKeys, showLarge } from "./asking.js";
import { board, cardOf, single } from "./cards.js";
import { equip } from "./deciders.js";
import { element, here, may } from "./film.js";
import { listen } from "./keys.js";
import { keepUnsent } from "./notes.js";
import { approvalWords } from "./prices.js";
import { isSelected, offerMany, select, showMany, showSelected } from "./selecting.js";
import { Queue } from "./undo.js";

const DONE = { approve: "Approved", reject: "Rejected", choose: "Chosen" };
const place = document.getElementById("deciding");
const mayDecide = may("decide");

const live = element("p", { className: "said-aloud" });
live.setAttribute("role", "status");
const pending = element("ul", { className: "queue" });
place.append(live, pending);

// What became of decisions that were sent from here, by shot.
const settled = new Map();
const queue = new Queue(pending, {
  held: marked,
  undone(decisions, words) {
    marked(decisions);
    say(`${words}: undone, nothing was sent.`);
  },
  failed(decisions, words) {
    marked(decisions);
    say(words);
  },
  settled(decision, result) {
    const { shot_id, verdict } = decision;
    const taken = result?.outcome === "accepted";
    const words = taken ? DONE[verdict] : result?.message || "The server did not say what became of it.";
    settled.set(shot_id, { digest: decision.instead_of ?? decision.digest, verdict, taken, words });
    marked([decision]);
    say(`${shot_id}: ${words}`);
    if (!taken) document.dispatchEvent(new CustomEvent("shot:doubted", { detail: { shots: [shot_id] } }));
  },
});

function say(words) {
  live.textContent = words;
}

function isSettled(card) {
  const known = settled.get(card.dataset.shot);
  return Boolean(known?.taken) && known.digest === card.dataset.digest;
}

function waits(card) {
  return Boolean(card.dataset.digest) && !queue.holds(card.dataset.shot) && !isSettled(card);
}

function marked(decisions) {
  for (const { shot_id } of decisions) mark(shot_id);
  showMany();
}

/** Show on the card of a shot what was decided about it here, whatever the server shows yet. */
function mark(shotId) {
  const card = cardOf(shotId);
  if (!card) return;
  const held = queue.decisions.find((each) => each.shot_id === shotId);
  const known = settled.get(shotId);
  card.querySelector(":scope > .decided")?.remove();
  delete card.dataset.decided;
  if (held) tell(card, held.verdict, `${DONE[held.verdict]}, not sent yet`);
  else if (known && !known.taken) tell(card, "refused", known.words);
  else if (isSettled(card)) tell(card, known.verdict, known.words);
  const over = Boolean(held) || isSettled(card);
  for (const button of card.querySelectorAll(".deciders button, .verdict button, .choosing button")) button.disabled = over;
  if (!waits(card)) select(shotId, false);
}

function tell(card, kind, words) {
  card.dataset.decided = kind;
  const said = element("p", { className: "decided" }, words);
  if (kind === "refused") {
    said.append(" ", element("a", { href: `${here}/shots/${card.dataset.shot}`, textContent: "See it as it is now" }));
  }
  if (single) card.querySelector(".shot-head").after(said);
  else card.append(said);
}

/** Whether a card can be decided now; says why not. */
function ready(card) {
  if (!mayDecide) return false;
  if (waits(card)) return true;
  const shotId = card.dataset.shot;
  const held = queue.holds(shotId);
  say(held ? `${shotId} is decided already. Press U to undo.` : `${shotId} does not wait for a decision.`);
  return false;
}

/** Let decisions wait to be sent; `told` says what a choice costs that is not the frame that waits. */
function decide(decisions, words, told) {
  for (const { shot_id } of decisions) settled.delete(shot_id);
  const spends = decisions.filter((each) => each.verdict === "approve").map((each) => each.shot_id);
  const cost = spends.length ? approvalWords(spends) : told && Promise.resolve(told);
  queue.add(decisions, words, cost);
  say(`${words}. Press U to undo.`);
  const [{ shot_id }] = decisions;
  cost?.then((price) => queue.holds(shot_id) && say(`${words}, ${price}. Press U to undo.`));
}

function decideOne(decision, told) {
  decide([decision], `${decision.shot_id} ${DONE[decision.verdict].toLowerCase()}`, told);
}

function approve(card) {
  if (ready(card)) decideOne({ shot_id: card.dataset.shot, digest: card.dataset.digest, verdict: "approve" });
}

async function reject(card) {
  if (!ready(card)) return;
  if (single) {
    document.getElementById("note").focus();
    return;
  }
  // What is on the screen now is what is judged, whatever the card shows when the note is written.
  const { shot, digest } = card.dataset;
  const asked = await askNote(shot);
  cardOf(shot)?.focus();
  if (asked && !queue.holds(shot)) decideOne({ shot_id: shot, digest, verdict: "reject", ...asked });
}

async function approveMany(chosen) {
  const decisions = chosen.filter(waits).map(({ dataset }) => ({
    shot_id: dataset.shot,
    digest: dataset.digest,
    verdict: "approve",
  }));
  if (!decisions.length || !(await askMany(decisions.map((each) => each.shot_id)))) return;
  const still = decisions.filter((each) => !queue.holds(each.shot_id));
  if (still.length) decide(still, still.length === 1 ? `${still[0].shot_id} approved` : `${still.length} frames approved`);
}

/** A form of the page of a shot, decided here instead of by loading a page. */
async function sent(event) {
  const form = event.target;
  if (!form.matches("#verdict, .choosing")) return;
  event.preventDefault();
  const verdict = event.submitter?.value;
  if (!verdict || !ready(single)) return;
  const { shot_id, digest, note = "", instead_of, takes } = Object.fromEntries(new FormData(form));
  const decision = { shot_id, digest, verdict, note: note.trim() };
  if (verdict === "choose") decision.instead_of = instead_of;
  if (verdict === "reject") {
    if (takes) decision.takes = Number(takes);
    const left = await keepUnsent(digest, decision.note);
    if (left === null || !ready(single)) return;
    decision.note = left;
  }
  decideOne(decision, verdict === "choose" ? event.submitter.querySelector("small").textContent : undefined);
}

/** In the note of a shot's page Ctrl and Enter rejects, and Escape leaves it. */
function inNote(event) {
  if (event.target.id !== "note") return;
  if (event.key === "Escape") single.focus();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("#verdict .no").click();
}

function show(card) {
  const clip = single?.querySelector(".seen video");
  if (clip) {
    if (clip.paused) clip.play();
    else clip.pause();
    return;
  }
  const small = card.querySelector(".still img")?.src.split("/").at(-1);
  const { digest, clip: moving } = card.dataset;
  const shown = single ? card.querySelector(".stage")?.dataset.digest : digest || moving || small;
  if (shown) showLarge(card.dataset.shot, shown, !single && !digest && Boolean(moving));
}

function compare(card) {
  if (single) (document.getElementById("comparing") ?? document.getElementById("whole"))?.click();
  else location.assign(`${here}/shots/${card.dataset.shot}?compare=before`);
}

listen({
  approve,
  reject,
  compare,
  show,
  select: (card) => board && ready(card) && select(card.dataset.shot, !isSelected(card.dataset.shot)),
  open: (card) => board && card.querySelector("a[href]").click(),
  undo: () => queue.undo() || say("There is nothing to undo."),
  help: showKeys,
});

queue.recall();

const help = element("button", { type: "button", className: "quiet help", textContent: "?", title: "Keys" });
help.setAttribute("aria-label", "Show the keys");
help.addEventListener("click", showKeys);
document.querySelector(".top .who").before(help);

if (board) {
  const refresh = (shots) => {
    for (const card of shots.map(cardOf).filter(Boolean)) {
      if (mayDecide) equip(card, say);
      showSelected(card);
      mark(card.dataset.shot);
    }
    showMany();
  };
  offerMany(place, waits, approveMany);
  refresh([...board.children].map((card) => card.dataset.shot));
  document.addEventListener("board:cards", (event) => refresh(event.detail.shots));
  board.addEventListener("click", (event) => {
    const does = event.target.closest(".deciders button")?.value;
    if (does) (does === "approve" ? approve : reject)(event.target.closest("li.card"));
  });
  board.addEventListener("change", (event) => {
    if (event.target.matches(".deciders input")) select(event.target.closest("li.card").dataset.shot, event.target.checked);
  });
} else {
  document.addEventListener("submit", sent);
  document.addEventListener("keydown", inNote);
}
