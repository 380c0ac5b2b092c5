// What a card of the board is decided with, and what approving it costs once it is in sight.

import { element } from "./film.js";
import { prices } from "./prices.js";

const FRESH_MS = 60_000;
const told = new Map();
const asked = new Set();
let say = () => {};

const sight = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    if (!asked.size) setTimeout(showPrices);
    asked.add(target);
  }
});

/** Give a card that waits its buttons; one that does not loses them. `tell` says what went wrong. */
export function equip(card, tell) {
  say = tell;
  const { shot, digest } = card.dataset;
  const known = card.querySelector(":scope > .deciders");
  if (known?.dataset.digest === digest) return;
  known?.remove();
  if (!digest) return;
  const box = element("input", { type: "checkbox", ariaLabel: `Select ${shot}` });
  const yes = element("button", { type: "button", className: "yes", value: "approve" }, "Approve");
  yes.append(element("small", { className: "cost", textContent: "…" }));
  const no = element("button", { type: "button", className: "no", value: "reject", textContent: "Reject" });
  const row = element("div", { className: "deciders" }, element("label", { className: "pick" }, box), yes, no);
  row.dataset.digest = digest;
  card.append(row);
  const price = told.get(shot);
  if (price?.digest === digest && performance.now() - price.at < FRESH_MS) show(card, price.words);
  else sight.observe(card);
}

function show(card, words) {
  const place = card.querySelector(".deciders .cost");
  if (place) place.textContent = words;
}

async function showPrices() {
  const some = [...asked];
  asked.clear();
  try {
    const { shots } = await prices(some.map((card) => card.dataset.shot));
    for (const card of some) {
      const { shot, digest } = card.dataset;
      const usd = shots[shot].approve_usd;
      const words = Number(usd) ? `${usd} USD` : "free";
      told.set(shot, { digest, words, at: performance.now() });
      show(card, words);
    }
  } catch (error) {
    for (const card of some) show(card, "price not known");
    say(`What approving costs can't be told: ${error.message}`);
  }
}
