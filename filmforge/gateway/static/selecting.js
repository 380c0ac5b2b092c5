// Selecting cards of the board for one decision about all of them.

import { board, cardOf, cards } from "./cards.js";
import { element, may } from "./film.js";

const selected = new Set();
const approve = element("button", { type: "button", className: "yes" });
const clear = element("button", { type: "button", className: "quiet", textContent: "Clear" });
const bar = element("div", { className: "bulk", hidden: true }, approve, clear);
let waits = () => false;

/** Show the bar in `place`; `waiting` tells whether a card waits, `chosen` takes the cards. */
export function offerMany(place, waiting, chosen) {
  if (!board || !may("decide")) return;
  waits = waiting;
  place.append(bar);
  approve.addEventListener("click", () => chosen(selected.size ? [...selected].map(cardOf).filter(Boolean) : cards()));
  clear.addEventListener("click", () => {
    for (const shotId of [...selected]) select(shotId, false);
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
  if (on) selected.add(shotId);
  else selected.delete(shotId);
  showSelected(cardOf(shotId));
  showMany();
}

/** Show on a card whether it is selected. */
export function showSelected(card) {
  if (!card) return;
  const on = selected.has(card.dataset.shot);
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
