// The screen of the player: one clock, and two layers that show a stretch of the film each.

import { element } from "./film.js";

const DRIFT_S = 0.2;
const EXACT_S = 0.02;

/** The film's time: it runs at a rate, stands still, or is held while something loads. */
export class Clock {
  #at = 0;
  #since = 0;
  #held = false;
  rate = 0;
  duration = 0;

  get now() {
    const passed = this.#held ? 0 : ((performance.now() - this.#since) / 1000) * this.rate;
    return Math.min(this.duration, Math.max(0, this.#at + passed));
  }

  run(rate) {
    this.seek(this.now);
    this.rate = rate;
  }

  seek(at) {
    this.#at = Math.min(this.duration, Math.max(0, at));
    this.#since = performance.now();
  }

  hold(held) {
    if (held === this.#held) return;
    this.seek(this.now);
    this.#held = held;
  }
}

/** What decides how a stretch looks: the same key looks the same. */
export function keyOf(slot) {
  return [slot.shot_id, slot.clip_url, slot.frame_url, slot.offset_s, slot.words, slot.colour].join("\n");
}

/** One of the two layers: a clip, a frame, a card or a colour. */
export class Layer {
  #box;
  #media = null;
  #failed = false;
  slot = null;
  key = null;

  /** `trouble` hears what cannot be shown, `changed` when there is more to show. */
  constructor(box, trouble, changed) {
    this.#box = box;
    this.trouble = trouble;
    this.changed = changed;
  }

  /** Whether what it shows can be seen by now. */
  get ready() {
    if (this.#failed || !this.#media) return true;
    return this.#media instanceof HTMLVideoElement ? this.#media.readyState >= 2 : this.#media.complete;
  }

  get clip() {
    return this.#media instanceof HTMLVideoElement && !this.#failed ? this.#media : null;
  }

  load(slot) {
    const key = slot && keyOf(slot);
    this.slot = slot;
    if (key === this.key) return;
    this.key = key;
    this.#failed = false;
    this.clip?.pause();
    this.#media = null;
    this.#box.replaceChildren(...(slot ? [this.#made(slot)] : []));
  }

  /** Be seen as much as that, above or below the other layer. */
  appear(opacity, above) {
    this.#box.style.opacity = String(opacity);
    this.#box.style.zIndex = above ? "1" : "0";
  }

  /** Show the film's time `at`, going on at `rate`. */
  follow(at, rate) {
    const clip = this.clip;
    if (!clip) return;
    const target = Math.max(0, this.slot.offset_s + at - this.slot.start_s);
    const runs = rate > 0 && !clip.ended;
    if (runs) clip.playbackRate = rate;
    if (runs && clip.paused) clip.play().catch(() => {});
    if (!runs && !clip.paused) clip.pause();
    if (clip.seeking || clip.readyState < 1 || target >= clip.duration) return;
    if (Math.abs(clip.currentTime - target) > (runs ? DRIFT_S : EXACT_S)) clip.currentTime = target;
  }

  #made(slot) {
    if (slot.clip_url) return this.#film(slot);
    if (slot.frame_url) return this.#frame(slot);
    if (slot.colour) return element("div", { className: slot.colour });
    const words = element("span", { textContent: slot.words });
    if (slot.card) return element("div", { className: "slate title" }, words);
    const name = element("strong", { textContent: slot.shot_id });
    const still = element("small", { textContent: "no frame yet" });
    return element("div", { className: "slate" }, name, words, still);
  }

  #film(slot) {
    const clip = element("video", { src: slot.clip_url, muted: true, playsInline: true, preload: "auto" });
    if (slot.frame_url) clip.poster = slot.frame_url;
    clip.setAttribute("aria-label", `Clip of ${slot.shot_id}`);
    clip.disableRemotePlayback = true;
    clip.addEventListener("loadedmetadata", () => this.changed());
    clip.addEventListener("error", () => {
      if (this.#media !== clip) return;
      this.#failed = true;
      this.trouble(`The clip of ${slot.shot_id} could not be played here.`);
      if (slot.frame_url) this.#box.replaceChildren(this.#frame(slot));
    });
    this.#media = clip;
    return clip;
  }

  #frame(slot) {
    const picture = element("img", { src: slot.thumb_url, alt: `${slot.shot_id}: ${slot.words.slice(0, 160)}` });
    const whole = element("img", { src: slot.frame_url });
    whole.decode().then(
      () => (picture.src = slot.frame_url),
      () => this.trouble(`The frame of ${slot.shot_id} could not be loaded.`),
    );
    this.#media = picture;
    return picture;
  }
}
