// The dialogs of deciding: a note before a rejection, a sum before many approvals, the keys.

import { element, here } from "./film.js";
import { approvalWords, prices } from "./prices.js";

const MOST_NOTE_CHARS = 2000;
const MOST_TAKES = 4;

const KEYS = [
  ["J · K", "next and previous shot; the arrow keys too"],
  ["A", "approve"],
  ["R", "reject with a note"],
  ["X", "select for many at once; Shift and space too"],
  ["Space", "play the clip or show the frame large"],
  ["C", "compare with the take before"],
  ["U", "undo the last decision, while it waits"],
  ["Enter", "open the shot"],
  ["?", "these keys"],
];

/** Ask for the note of a rejection; resolves to `{note, takes}`, or null for none. */
export async function askNote(shotId) {
  const note = element("textarea", { id: "asked-note", maxLength: MOST_NOTE_CHARS, rows: 4 });
  const takes = element("select", { id: "asked-takes" });
  for (let count = 1; count <= MOST_TAKES; count += 1) {
    takes.append(element("option", { value: count, textContent: count === 1 ? "1 take" : `${count} takes` }));
  }
  const cost = element("p", { className: "dim" });
  const send = element("button", { className: "no", value: "send", textContent: "Reject" });
  note.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send.click();
  });
  showRetakePrice(shotId, takes, cost);
  const answer = await opened(
    `Reject ${shotId}`,
    [
      labelled("Note", note, "steers the retake; Ctrl and Enter sends"),
      labelled("Takes to make", takes),
      cost,
    ],
    send,
  );
  return answer === "send" ? { note: note.value.trim(), takes: Number(takes.value) } : null;
}

/** Ask before many approvals, with what they cost; resolves to whether to go on. */
export async function askMany(shotIds) {
  const cost = element("p", { textContent: "Asking what it costs…" });
  const send = element("button", { className: "yes", value: "send", disabled: true });
  send.textContent = `Approve ${shotIds.length}`;
  const shown = approvalWords(shotIds).then((words) => {
    cost.textContent = `Going on with ${shotIds.length === 1 ? "it" : "all of them"} ${words}.`;
    send.disabled = false;
    send.focus();
  });
  const frames = shotIds.length === 1 ? "1 frame" : `${shotIds.length} frames`;
  const names = shotIds.length > 12 ? `${shotIds.slice(0, 12).join(", ")} …` : shotIds.join(", ");
  const answer = await opened(`Approve ${frames}?`, [element("p", { className: "dim", textContent: names }), cost], send);
  await shown;
  return answer === "send";
}

/** Show what the keys do. */
export function showKeys() {
  const list = element("dl", { className: "keys" });
  for (const [keys, words] of KEYS) {
    list.append(element("dt", {}, element("kbd", { textContent: keys })), element("dd", { textContent: words }));
  }
  return opened("Keys", [list]);
}

/** Show a frame or a clip as large as the window. */
export function showLarge(shotId, digest, isClip) {
  const source = `${here}/media/${digest}`;
  const picture = isClip
    ? element("video", { src: source, controls: true, autoplay: true, loop: true })
    : element("img", { src: source, alt: `The frame of ${shotId}` });
  const done = opened(shotId, [picture], null, "large");
  picture.closest("dialog").addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("video, button")) return;
    event.preventDefault();
    event.currentTarget.close();
  });
  return done;
}

async function showRetakePrice(shotId, takes, place) {
  try {
    const { shots } = await prices([shotId]);
    const each = Number(shots[shotId].retake_usd);
    const show = () => {
      const sum = (each * Number(takes.value)).toFixed(6).replace(/(\.\d\d\d*?)0+$/, "$1");
      place.textContent = each ? `Making ${takes.value === "1" ? "it" : "them"} costs up to ${sum} USD.` : "Making it again costs nothing.";
    };
    takes.disabled = !shots[shotId].takes;
    takes.addEventListener("change", show);
    show();
  } catch (error) {
    place.textContent = `What a retake costs can't be told: ${error.message}`;
  }
}

function labelled(words, field, more = "") {
  const label = element("label", { htmlFor: field.id }, `${words} `);
  if (more) label.append(element("span", { className: "dim", textContent: more }));
  const both = document.createDocumentFragment();
  both.append(label, field);
  return both;
}

/** A dialog until it is closed; resolves to the value of the button it was closed with. */
function opened(title, parts, send = null, look = "") {
  const heading = element("h2", { id: "asking", textContent: title });
  const leave = element("button", { className: "quiet", value: "", textContent: send ? "Cancel" : "Close" });
  const buttons = element("div", { className: "verdict" }, ...(send ? [send, leave] : [leave]));
  // What is pressed by Enter is the first button, and a half-written note must not be sent by it.
  const form = element("form", { method: "dialog" }, heading, ...parts, buttons);
  const dialog = element("dialog", { className: `asking ${look}` }, form);
  dialog.setAttribute("aria-labelledby", "asking");
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}
