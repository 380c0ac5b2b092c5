// Keys: what each does, and where none of them does anything.

import { board, currentCard, move, moveRow, single } from "./cards.js";

const TYPED_IN = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])";
// What has a use of its own for Enter and space, and what has one for the arrows.
const PRESSED = "a, button, summary, video, audio, input";
const STEERED = "video, audio, input, [role=slider], [role=tablist]";

/** Let keys act: `does` are the acts by name, each with the card that is meant. */
export function listen(does) {
  const withCard = (act) => () => {
    const card = currentCard();
    if (card) act(card);
    else move(1);
  };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    arrowright: () => move(1),
    arrowleft: () => move(-1),
    arrowdown: () => moveRow(1),
    arrowup: () => moveRow(-1),
    a: withCard(does.approve),
    r: withCard(does.reject),
    x: withCard(does.select),
    c: withCard(does.compare),
    u: does.undo,
    " ": withCard(does.show),
    enter: withCard(does.open),
    "?": does.help,
  };
  document.addEventListener("keydown", (event) => {
    const name = nameOf(event);
    if (!name || !Object.hasOwn(keys, name)) return;
    event.preventDefault();
    keys[name]();
  });
}

/** The name of a key that acts; empty while somebody types, in a dialog, or with a modifier. */
function nameOf(event) {
  const { key, target } = event;
  const held = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
  if (event.defaultPrevented || held || document.querySelector("dialog[open]") || target.closest(TYPED_IN)) return "";
  const name = key.toLowerCase();
  if (/^(enter| )$/.test(name) && target.closest(PRESSED)) return "";
  if (name.startsWith("arrow") && (target.closest(STEERED) || (single && /up|down/.test(name)))) return "";
  if (!event.shiftKey) return name;
  if (name === " ") return board ? "x" : "";
  return name === "?" ? name : "";
}
