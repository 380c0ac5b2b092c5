// Plays the current cut: frames with what is said, and clips as they land.

import { element, here } from "./film.js";
import { onNews } from "./news.js";
import { Clock, Layer, keyOf } from "./screen.js";

const PATIENCE_MS = 4000;
const GATHER_MS = 400;
const MOST_VOICES = 4;
const RATES = [1, 2, 4];

const at = (id) => document.getElementById(id);
const player = at("player");
const scrub = at("scrub");
const strip = at("reel");
const clock = new Clock();
const layers = [...player.querySelectorAll("[data-layer]")].map((box) => new Layer(box, trouble, render));
const voices = new Map();

let reel = { slots: [], duration_s: 0 };
let lines = [];
let current = -1;
let speaking = null;
let captions = true;
let sound = true;
let waitingSince = null;
let scrubbing = false;
let asked = null;

begin();

async function begin() {
  const { width, height } = player.dataset;
  at("screen").style.aspectRatio = `${width} / ${height}`;
  player.hidden = false;
  at("full").hidden = !document.fullscreenEnabled;
  listen();
  await load();
  onNews(player.dataset.at, () => {
    // Forty clips that land together are one look.
    asked ??= setTimeout(load, GATHER_MS);
  });
}

async function load() {
  asked = null;
  try {
    const answer = await fetch(`${here}/animatic.json`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    adopt(await answer.json());
  } catch (error) {
    trouble(`The cut could not be loaded. ${error.message}`);
  }
}

/** Go on with the cut as it is by now, in the same shot. */
function adopt(given) {
  const now = clock.now;
  const was = reel.slots[current];
  const into = was ? now - was.start_s : 0;
  const first = reel.slots.length === 0;
  reel = given;
  lines = reel.slots.flatMap((slot) => slot.lines).sort((one, other) => one.at_s - other.at_s);
  clock.duration = reel.duration_s;
  scrub.max = reel.duration_s;
  at("length").textContent = timecode(reel.duration_s);
  at("landed").textContent = `${reel.clips} of ${reel.shots} shots have clips`;
  const same = was && reel.slots.find((slot) => slot.shot_id === was.shot_id);
  if (same && same.start_s !== was.start_s) clock.seek(same.start_s + Math.min(into, same.duration_s));
  // Whoever scrubbed before the cut was here is taken there.
  if (first) clock.seek(Number(scrub.value));
  fill(first);
  current = -1;
  speaking = null;
  render();
}

// What is seen and heard.

function step() {
  render();
  if (clock.rate !== 0) requestAnimationFrame(step);
}

function render() {
  if (!reel.slots.length) return;
  const now = clock.now;
  const index = indexAt(now);
  const slot = reel.slots[index];
  const shown = layers[index % 2];
  const other = layers[(index + 1) % 2];
  const before = reel.slots[index - 1];
  const mixes = before && before.overlap_s > 0 && now < slot.start_s + before.overlap_s;
  shown.load(slot);
  other.load(mixes ? before : reel.slots[index + 1] ?? null);
  const part = mixes ? (now - slot.start_s) / before.overlap_s : 1;
  shown.appear(part, true);
  other.appear(mixes ? 1 : 0, false);
  const runs = wait(shown) ? 0 : clock.rate;
  shown.follow(now, runs);
  if (other.slot) other.follow(mixes ? now : other.slot.start_s, mixes ? runs : 0);
  veil(slot, now);
  speak(now, runs);
  tell(now, index);
  const over = clock.rate > 0 ? now >= reel.duration_s : clock.rate < 0 && now <= 0;
  if (over) run(0);
}

/** Hold the clock until what is shown is there, but not for ever. */
function wait(layer) {
  const waits = clock.rate !== 0 && !layer.ready;
  waitingSince = waits ? waitingSince ?? performance.now() : null;
  const held = waits && performance.now() - waitingSince < PATIENCE_MS;
  at("waiting").hidden = !held;
  clock.hold(held || scrubbing);
  return held || scrubbing;
}

function indexAt(now) {
  let [low, high] = [0, reel.slots.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (reel.slots[middle].start_s <= now) low = middle;
    else high = middle - 1;
  }
  return low;
}

function veil(slot, now) {
  const [into, left] = [now - slot.start_s, slot.start_s + slot.duration_s - now];
  const comes = slot.fade_in_s > into ? 1 - into / slot.fade_in_s : 0;
  const goes = slot.fade_out_s > left ? 1 - left / slot.fade_out_s : 0;
  const colour = goes > comes ? slot.fade_out : slot.fade_in;
  at("veil").style.opacity = String(Math.max(comes, goes));
  at("veil").classList.toggle("white", colour === "white");
}

function speak(now, rate) {
  const line = lines.findLast((each) => each.at_s <= now && now < each.at_s + each.duration_s) ?? null;
  if (line !== speaking) {
    if (speaking?.voice_url) voices.get(speaking.voice_url)?.pause();
    at("caption").textContent = line?.words ?? "";
    speaking = line;
    const next = lines.find((each) => each.at_s > now);
    if (next?.voice_url) voice(next.voice_url);
  }
  if (!line?.voice_url) return;
  const heard = voice(line.voice_url);
  const target = line.offset_s + now - line.at_s;
  const runs = sound && rate === 1;
  if (Math.abs(heard.currentTime - target) > 0.25 && heard.readyState > 0) heard.currentTime = target;
  if (runs && heard.paused && !heard.ended) heard.play().catch(() => {});
  if (!runs && !heard.paused) heard.pause();
}

function voice(url) {
  if (!voices.has(url)) {
    const made = new Audio(url);
    made.addEventListener("error", () => trouble("A voice could not be played here."));
    voices.set(url, made);
    for (const old of [...voices.keys()].slice(0, -MOST_VOICES)) {
      voices.get(old).pause();
      voices.delete(old);
    }
  }
  return voices.get(url);
}

function tell(now, index) {
  at("time").textContent = timecode(now);
  if (!scrubbing) scrub.value = now;
  if (index === current) return;
  current = index;
  const slot = reel.slots[index];
  const name = slot.shot_id && !slot.card ? slot.shot_id : slot.card ? "Card" : slot.colour;
  const shows = slot.clip_url ? "clip" : slot.frame_url ? "frame" : "nothing made yet";
  at("shot-name").textContent = name;
  at("shot-state").textContent = slot.card || slot.colour ? "" : `${index + 1} of ${reel.slots.length} · ${shows}`;
  scrub.setAttribute("aria-valuetext", `${timecode(now)}, ${name}`);
  strip.querySelector("[aria-current]")?.removeAttribute("aria-current");
  strip.children[index]?.setAttribute("aria-current", "true");
}

// What people do.

function run(rate) {
  if (rate > 0 && clock.now >= reel.duration_s) clock.seek(0);
  const stood = clock.rate === 0;
  clock.hold(false);
  clock.run(rate);
  player.classList.toggle("playing", rate !== 0);
  at("toggle").setAttribute("aria-label", rate === 0 ? "Play" : "Pause");
  at("rate").textContent = rate === 0 || rate === 1 ? "" : `${rate}×`;
  if (rate === 0) render();
  else if (stood) requestAnimationFrame(step);
}

function toggle() {
  run(clock.rate === 0 ? 1 : 0);
}

function faster(way) {
  const place = RATES.indexOf(Math.abs(clock.rate));
  const same = Math.sign(clock.rate) === way;
  run(way * (same ? RATES[Math.min(place + 1, RATES.length - 1)] : 1));
}

function go(index) {
  const slot = reel.slots[Math.min(Math.max(0, index), reel.slots.length - 1)];
  if (slot) seek(slot.start_s + (reel.slots[reel.slots.indexOf(slot) - 1]?.overlap_s ?? 0));
}

function seek(to) {
  clock.seek(to);
  render();
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
  return on;
}

function showCaptions() {
  captions = press(at("captions"), !captions);
  at("caption").hidden = !captions;
}

function hear() {
  sound = press(at("sound"), !sound);
  render();
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (document.fullscreenEnabled) player.requestFullscreen().catch((error) => trouble(error.message));
}

const KEYS = {
  " ": toggle,
  k: () => run(0),
  j: () => faster(-1),
  l: () => faster(1),
  ArrowLeft: () => go(current - 1),
  ArrowRight: () => go(current + 1),
  c: showCaptions,
  m: hear,
  f: full,
};

function listen() {
  at("toggle").addEventListener("click", toggle);
  at("screen").addEventListener("click", toggle);
  at("before").addEventListener("click", () => go(current - 1));
  at("after").addEventListener("click", () => go(current + 1));
  at("captions").addEventListener("click", showCaptions);
  at("sound").addEventListener("click", hear);
  at("full").addEventListener("click", full);
  scrub.addEventListener("input", () => {
    scrubbing = true;
    seek(Number(scrub.value));
  });
  scrub.addEventListener("change", () => {
    scrubbing = false;
    clock.hold(false);
    seek(Number(scrub.value));
  });
  strip.addEventListener("click", (event) => {
    const item = event.target.closest("li[data-slot]");
    if (!item || !event.target.closest("a") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(Number(item.dataset.slot));
    player.scrollIntoView({ block: "start" });
  });
  document.addEventListener("keydown", (event) => {
    const does = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const writes = event.target.closest?.("textarea, select, input:not([type=range])");
    const pressed = event.key === " " && event.target.closest?.("button");
    if (!does || writes || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  });
}

function trouble(words) {
  at("trouble").textContent = words;
  at("trouble").hidden = false;
}

// The strip of shots below.

/** Show the strip as the cut is by now; what the server wrote of the same cut stays. */
function fill(first) {
  const items = [...strip.querySelectorAll("li[data-slot]")];
  reel.slots.forEach((slot, index) => {
    const key = `${keyOf(slot)}\n${slot.start_s}\n${slot.lines.map((line) => line.words).join("\n")}`;
    const item = items[index];
    if (first && item) item.key = key;
    if (item?.key === key) return;
    const made = itemOf(slot, index);
    made.key = key;
    if (item) item.replaceWith(made);
    else strip.append(made);
  });
  items.slice(reel.slots.length).forEach((item) => item.remove());
}

function itemOf(slot, index) {
  const named = slot.shot_id && !slot.card;
  const picture = slot.thumb_url
    ? element("img", { src: slot.thumb_url, alt: "", loading: "lazy" })
    : element("span", { className: "poster", textContent: (slot.words || slot.colour || "").slice(0, 90) });
  const time = element("span", { className: "dim", textContent: timecode(slot.start_s) });
  const name = element("span", { className: "name" }, `${slot.shot_id ?? slot.colour ?? "card"} `, time);
  const href = named ? `${here}/shots/${encodeURIComponent(slot.shot_id)}` : "#player";
  const item = element("li", {}, element("a", { href }, picture, name));
  item.dataset.slot = index;
  item.append(...slot.lines.map((line) => element("q", { textContent: line.words })));
  return item;
}

function timecode(seconds) {
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}
