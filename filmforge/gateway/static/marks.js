// Marks on a picture: drawn with pointer, touch or keyboard. Places are parts of its width and height.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 1000;
const HEAD = 45;
const SPREAD = Math.PI / 7;
const MOST_MARKS = 16;
const MOST_POINTS = 100;
const LEAST = 0.01;
const STEP = 0.02;
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const KEYS = "arrow keys move it, Shift and arrow keys change its size, Delete removes it";
const MIDDLE = {
  rectangle: () => ({ kind: "rectangle", x: 0.375, y: 0.375, width: 0.25, height: 0.25 }),
  arrow: () => ({ kind: "arrow", tail: [0.35, 0.65], head: [0.5, 0.5] }),
};

/** A surface over the picture or film in `stage`; `changed` hears of every mark that is drawn. */
export class Surface {
  #stage;
  #svg = document.createElementNS(SVG, "svg");
  #tool = null;
  #drafts = [];
  #shown = [];
  #changed;

  constructor(stage, changed) {
    this.#stage = stage;
    this.#changed = changed;
    this.media = stage.querySelector("img, video");
    this.#svg.classList.add("marks");
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#svg.setAttribute("aria-hidden", "true");
    stage.classList.add("marked");
    stage.append(this.#svg);
    for (const name of ["load", "loadedmetadata"]) this.media.addEventListener(name, () => this.#fit());
    new ResizeObserver(() => this.#fit()).observe(this.media);
    this.#svg.addEventListener("pointerdown", (event) => this.#begin(event));
    this.#svg.addEventListener("keydown", (event) => this.#press(event));
    this.#fit();
  }

  /** What was drawn and not sent yet. */
  get marks() {
    return this.#drafts;
  }

  /** Draw with a tool from now on, or with none. */
  take(tool) {
    this.#tool = tool;
    this.#svg.classList.toggle("drawing", tool !== null);
  }

  /** Put a mark in the middle, for the keyboard; false where the tool has none. */
  place(tool) {
    if (!MIDDLE[tool] || this.#drafts.length >= MOST_MARKS) return false;
    this.#keep(MIDDLE[tool]());
    this.#svg.focus();
    return true;
  }

  /** Show the marks of a comment. */
  show(marks) {
    this.#shown = marks;
    this.#render();
  }

  clear() {
    this.#drafts = [];
    this.#update();
  }

  #keep(mark) {
    this.#drafts = [...this.#drafts, mark].slice(0, MOST_MARKS);
    this.#update();
  }

  #update() {
    const some = this.#drafts.length > 0;
    if (some) {
      this.#svg.removeAttribute("aria-hidden");
      this.#svg.setAttribute("role", "application");
      this.#svg.setAttribute("tabindex", "0");
      this.#svg.setAttribute("aria-label", `${this.#drafts.length} drawn, the last one is held: ${KEYS}`);
    } else {
      for (const name of ["role", "tabindex", "aria-label"]) this.#svg.removeAttribute(name);
      this.#svg.setAttribute("aria-hidden", "true");
    }
    this.#render();
    this.#changed(this.#drafts);
  }

  /** Lie exactly over the picture, which may be smaller than the box it is shown in. */
  #fit() {
    const width = this.media.naturalWidth || this.media.videoWidth || this.media.clientWidth;
    const height = this.media.naturalHeight || this.media.videoHeight || this.media.clientHeight;
    if (!width || !height) return;
    const scale = Math.min(this.media.clientWidth / width, this.media.clientHeight / height);
    const seen = { width: width * scale, height: height * scale };
    const box = this.media.getBoundingClientRect();
    const around = this.#stage.getBoundingClientRect();
    const left = box.left - around.left - this.#stage.clientLeft + (this.media.clientWidth - seen.width) / 2;
    const top = box.top - around.top - this.#stage.clientTop + (this.media.clientHeight - seen.height) / 2;
    const place = { left, top, ...seen };
    for (const [name, value] of Object.entries(place)) this.#svg.style[name] = `${value}px`;
    this.ratio = width / height;
    this.#svg.setAttribute("viewBox", `0 0 ${Math.round(HEIGHT * this.ratio)} ${HEIGHT}`);
    this.#render();
  }

  #render(draft = null) {
    const drafts = draft ? [...this.#drafts, draft] : this.#drafts;
    const paths = [
      ...this.#shown.map((mark) => this.#path(mark, "")),
      ...drafts.map((mark) => this.#path(mark, "draft")),
    ];
    this.#svg.replaceChildren(...paths);
  }

  #path(mark, name) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", pathOf(mark, this.ratio ?? 16 / 9));
    path.setAttribute("class", name);
    return path;
  }

  #point(event) {
    const box = this.#svg.getBoundingClientRect();
    return [part((event.clientX - box.left) / box.width), part((event.clientY - box.top) / box.height)];
  }

  #begin(event) {
    if (!this.#tool || event.button !== 0 || this.#drafts.length >= MOST_MARKS) return;
    event.preventDefault();
    this.media.pause?.();
    this.#svg.setPointerCapture(event.pointerId);
    const points = [this.#point(event)];
    const hand = new AbortController();
    const options = { signal: hand.signal };
    this.#svg.addEventListener("pointermove", (moved) => {
      points.push(this.#point(moved));
      this.#render(markOf(this.#tool, points));
    }, options);
    this.#svg.addEventListener("pointerup", () => {
      hand.abort();
      if (reach(points) >= LEAST) this.#keep(markOf(this.#tool, points));
      else this.#render();
    }, options);
    this.#svg.addEventListener("pointercancel", () => {
      hand.abort();
      this.#render();
    }, options);
  }

  #press(event) {
    const way = ARROWS[event.key];
    const last = this.#drafts.at(-1);
    if (!last || !(way || event.key === "Delete" || event.key === "Backspace")) return;
    event.preventDefault();
    event.stopPropagation();
    const rest = this.#drafts.slice(0, -1);
    this.#drafts = way ? [...rest, (event.shiftKey ? sized : moved)(last, way)] : rest;
    this.#update();
  }
}

function part(value) {
  return Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000;
}

function reach(points) {
  const [[x, y]] = points;
  return Math.max(...points.map(([across, down]) => Math.max(Math.abs(across - x), Math.abs(down - y))));
}

function markOf(tool, points) {
  const [first, last] = [points[0], points.at(-1)];
  if (tool === "arrow") return { kind: "arrow", tail: first, head: last };
  if (tool === "freehand") return { kind: "freehand", points: thinned(points) };
  const [x, y] = [Math.min(first[0], last[0]), Math.min(first[1], last[1])];
  const [width, height] = [Math.abs(first[0] - last[0]), Math.abs(first[1] - last[1])];
  return { kind: "rectangle", x, y, width: part(width), height: part(height) };
}

/** As many points as are kept, evenly taken, both ends among them. */
function thinned(points) {
  const given = points.length > 1 ? points : [points[0], points[0]];
  if (given.length <= MOST_POINTS) return given;
  const step = (given.length - 1) / (MOST_POINTS - 1);
  return Array.from({ length: MOST_POINTS }, (_, n) => given[Math.round(n * step)]);
}

function pointsOf(mark) {
  if (mark.kind === "arrow") return [mark.tail, mark.head];
  if (mark.kind === "freehand") return mark.points;
  return [[mark.x, mark.y], [mark.x + mark.width, mark.y + mark.height]];
}

function moved(mark, [right, down]) {
  const points = pointsOf(mark);
  const by = [right, down].map((way, axis) => {
    const places = points.map((point) => point[axis]);
    return Math.min(1 - Math.max(...places), Math.max(-Math.min(...places), way));
  });
  const shift = (point) => point.map((place, axis) => part(place + by[axis]));
  if (mark.kind === "arrow") return { ...mark, tail: shift(mark.tail), head: shift(mark.head) };
  if (mark.kind === "freehand") return { ...mark, points: mark.points.map(shift) };
  const [x, y] = shift([mark.x, mark.y]);
  return { ...mark, x, y };
}

function sized(mark, [right, down]) {
  if (mark.kind === "arrow") return { ...mark, head: [part(mark.head[0] + right), part(mark.head[1] + down)] };
  if (mark.kind === "freehand") return mark;
  const width = part(Math.min(1 - mark.x, Math.max(STEP, mark.width + right)));
  const height = part(Math.min(1 - mark.y, Math.max(STEP, mark.height + down)));
  return { ...mark, width, height };
}

function pathOf(mark, ratio) {
  const at = ([across, down]) => [across * ratio * HEIGHT, down * HEIGHT];
  const line = (points) => `M${points.map(([across, down]) => `${across.toFixed(1)} ${down.toFixed(1)}`).join("L")}`;
  const points = pointsOf(mark).map(at);
  if (mark.kind === "freehand") return line(points);
  const [tail, head] = points;
  if (mark.kind === "rectangle") return `${line([tail, [head[0], tail[1]], head, [tail[0], head[1]]])}Z`;
  const way = Math.atan2(head[1] - tail[1], head[0] - tail[0]) + Math.PI;
  const barb = (turn) => [head[0] + HEAD * Math.cos(way + turn), head[1] + HEAD * Math.sin(way + turn)];
  return line([tail, head]) + line([barb(SPREAD), head, barb(-SPREAD)]);
}
