// Selecting cards of the board for one decision about all of them.

import { board, cardOf, cards } from "./cards.js";
import { element, may } from "./film.js";

// The frame that each selected shot showed: another one was not meant.
const selected = new Map();
const approve = element("button", { type: "button", className: "yes" });
const clear = element("button", { type: "button", className: "quiet", textContent: "Clear" });
const bar = element("div", { className: "bulk", hidden: true }, approve, clear);
let waits = () => false;

/** Show the bar in `place`; `waiting` tells whether a card waits, `chosen` takes the cards. */
export function offerMany(place, waiting, chosen) {
  if (!board || !may("decide")) return;
  waits = waiting;
  place.append(bar);
  approve.addEventListener("click", () => chosen(selected.size ? [...selected.keys()].map(cardOf).filter(Boolean) : cards()));
  clear.addEventListener("click", () => {
    for (const shotId of [...selected.keys()]) select(shotId, false);
  });
  showMany();
}

/** Whether a shot is selected. */
export function isSelected(shotId) {
  return selected.has(shotId);
}

/** Select a shot, or not any more. */
export function select(shotId, on) {
  if (on === selected.has(shotId)) return;
  const card = cardOf(shotId);
  if (on) selected.set(shotId, card.dataset.digest);
  else selected.delete(shotId);
  showSelected(card);
  showMany();
}

/** Show on a card whether it is selected. */
export function showSelected(card) {
  if (!card) return;
  const { shot, digest } = card.dataset;
  if (selected.get(shot) !== digest) selected.delete(shot);
  const on = selected.has(shot);
  card.classList.toggle("selected", on);
  const box = card.querySelector(".deciders input");
  if (box) box.checked = on;
}

/** Show what can be decided together now. */
export function showMany() {
  if (!bar.isConnected) return;
  const waiting = selected.size ? 0 : cards().filter(waits).length;
  bar.hidden = !selected.size && waiting < 2;
  approve.textContent = selected.size ? `Approve ${selected.size} selected` : `Approve all ${waiting} that wait`;
  clear.hidden = !selected.size;
}
