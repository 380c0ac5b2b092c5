// The cards of the board, or the one shot of its page: which there are, and which is meant.

export const board = document.getElementById("cards");
export const single = document.getElementById("shot");

let current = null;
board?.addEventListener("focusin", (event) => {
  current = event.target.closest("li.card")?.dataset.shot ?? current;
});

/** Every card that is there. */
export function cards() {
  return board ? [...board.querySelectorAll("li.card")] : [single];
}

/** The card of a shot, if it is there. */
export function cardOf(shotId) {
  return single?.dataset.shot === shotId ? single : document.getElementById(`shot-${shotId}`);
}

/** The card that a key is about: the focused one, else the last that was. */
export function currentCard() {
  const focused = document.activeElement?.closest("#cards li.card");
  return single ?? focused ?? (current && cardOf(current));
}

/** Go to the next card, or back. */
export function move(step) {
  if (single) {
    document.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    return;
  }
  const all = cards();
  const at = all.indexOf(currentCard());
  go(all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))]);
}

/** Go to the card below, or above. */
export function moveRow(step) {
  const from = currentCard();
  if (!from) {
    move(1);
    return;
  }
  const middle = from.offsetLeft + from.offsetWidth / 2;
  const further = cards().filter((card) => (card.offsetTop - from.offsetTop) * step > 0);
  const top = (step > 0 ? further[0] : further.at(-1))?.offsetTop;
  const row = further.filter((card) => card.offsetTop === top);
  go(row.find((card) => card.offsetLeft + card.offsetWidth > middle) ?? row.at(-1));
}

function go(card) {
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: "nearest" });
}
