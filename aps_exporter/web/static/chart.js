// Draws a day: a large curve that can be read by pointer and by keys, and small ones to compare.

import { el, say, svg } from "./dom.js";
import { NOTHING, energy, power } from "./words.js";

const HOUR = 60;
// Around the curve, in heights of a letter.
const MARGIN = { top: 0.9, right: 0.6, bottom: 1.4, left: 2.9 };

export function minuteOf(day, index) {
  return (index * day.step_s) / 60;
}

// Minutes since the day's start → 12:35, also on the two days when the clocks change.
export function timeOf(day, minute) {
  const shifted = minute + (minute >= 2 * HOUR ? day.shift : 0);
  const [hour, rest] = [Math.floor(shifted / HOUR), Math.round(shifted % HOUR)];
  return `${String(hour).padStart(2, "0")}:${String(rest).padStart(2, "0")}`;
}

// The hours to show: those of the sun, and those of the data if they are more.
export function hoursOf(day) {
  const seen = [];
  day.total.forEach((value, index) => value && seen.push(minuteOf(day, index)));
  const sun = day.marks.map((mark) => mark.minute);
  const from = Math.min(...seen.slice(0, 1), ...(sun.length ? sun : [6 * HOUR]));
  const to = Math.max(...seen.slice(-1), ...(sun.length ? sun : [20 * HOUR]));
  const first = Math.max(Math.floor(from / HOUR) * HOUR, 0);
  return { from: first, to: Math.min(Math.max(Math.ceil(to / HOUR), first / HOUR + 2), 25) * HOUR };
}

// Runs of known values as lists of [x, y].
function runs(values, x, y) {
  const found = [];
  let open = null;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      open = null;
      return;
    }
    if (!open) found.push((open = []));
    open.push([x(index), y(value)]);
  });
  return found;
}

const point = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

export function linePath(values, x, y) {
  return runs(values, x, y).map((run) => `M${run.map(point).join("L")}`).join("");
}

// Values between gaps, which a line leaves out.
export function dotPath(values, x, y) {
  const alone = runs(values, x, y).filter((run) => run.length === 1);
  return alone.map(([only]) => `M${point(only)}h.01`).join("");
}

export function areaPath(values, x, y) {
  const areas = runs(values, x, y).filter((run) => run.length > 1);
  const floor = y(0).toFixed(1);
  return areas
    .map((run) => `M${run[0][0].toFixed(1)} ${floor}L${run.map(point).join("L")}V${floor}Z`)
    .join("");
}

export function highest(values) {
  return values.reduce((most, value) => (value > most ? value : most), 0);
}

// Watt-hours under a curve, of the steps that are known.
export function energyOf(day, values) {
  return (values.reduce((sum, value) => sum + (value || 0), 0) * day.step_s) / 3600;
}

// The curve is a slider: arrow keys, Home and End walk along the day.
export class Chart {
  #host;
  #slider;
  #readout;
  #day = null;
  #values = [];
  #typical = null;
  #at = null;
  #hover = null;
  #scale = null;

  constructor(host, label) {
    this.#host = host;
    this.#readout = el("p", { class: "readout" });
    this.#slider = el("div", {
      class: "slider",
      role: "slider",
      tabindex: 0,
      "aria-label": label,
      "aria-orientation": "horizontal",
    });
    host.replaceChildren(this.#readout, this.#slider);
    this.#slider.addEventListener("keydown", (event) => this.#key(event));
    this.#slider.addEventListener("pointermove", (event) => this.#point(event));
    this.#slider.addEventListener("pointerdown", (event) => this.#point(event));
    this.#slider.addEventListener("pointerleave", (event) => {
      // A finger leaves with every tap, and what it chose stays.
      if (event.pointerType === "mouse") this.#pick(null);
    });
    this.#slider.addEventListener("blur", () => this.#pick(null));
    new ResizeObserver(() => this.#draw()).observe(this.#slider);
  }

  show(day, values, typical = null) {
    this.#day = day;
    this.#values = values;
    this.#typical = typical;
    if (this.#at !== null && this.#at >= values.length) this.#at = null;
    this.#draw();
  }

  #draw() {
    const [width, height] = [this.#slider.clientWidth, this.#slider.clientHeight];
    if (!this.#day || !width || !height) return;
    const { from, to } = hoursOf(this.#day);
    const ticks = yTicks(highest([...this.#values, ...(this.#typical || []), 100]));
    const top = ticks.at(-1);
    const letter = parseFloat(getComputedStyle(this.#slider).fontSize);
    const [left, ceiling] = [MARGIN.left * letter, MARGIN.top * letter];
    const right = width - MARGIN.right * letter;
    const bottom = height - MARGIN.bottom * letter;
    const across = (minute) => left + ((minute - from) / (to - from)) * (right - left);
    const up = (watts) => bottom - (watts / top) * (bottom - ceiling);
    const x = (index) => across(minuteOf(this.#day, index));
    this.#scale = { across, up, x, from, to, bottom, ceiling };
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const tick of ticks) {
      picture.append(
        svg("line", { class: "rule", x1: left, x2: right, y1: up(tick), y2: up(tick) }),
        svg("text", { class: "tick", x: left - 6, y: up(tick) + letter / 4, "text-anchor": "end" },
          tickText(tick, top)),
      );
    }
    const each = Math.max(1, Math.ceil((to - from) / HOUR / Math.max((right - left) / letter / 3.5, 2)));
    for (let minute = from; minute <= to; minute += each * HOUR) {
      picture.append(
        svg("text", { class: "tick", x: across(minute), y: height - 2, "text-anchor": "middle" },
          timeOf(this.#day, minute)),
      );
    }
    for (const mark of this.#day.marks) {
      if (mark.minute < from || mark.minute > to) continue;
      const place = across(mark.minute);
      picture.append(
        svg("line", { class: "sunmark", x1: place, x2: place, y1: ceiling, y2: bottom }),
        svg("text", { class: "tick sun", x: place + mark.side * 4, y: ceiling + letter * 0.6,
          "text-anchor": mark.side > 0 ? "start" : "end" }, mark.label),
      );
    }
    picture.append(svg("path", { class: "area", d: areaPath(this.#values, x, up) }));
    if (this.#typical) {
      picture.append(svg("path", { class: "typical", d: linePath(this.#typical, x, up) }));
    }
    picture.append(
      svg("path", { class: "line", d: linePath(this.#values, x, up) }),
      svg("path", { class: "dots", d: dotPath(this.#values, x, up) }),
    );
    this.#hover = svg("g", { class: "hover" });
    picture.append(this.#hover);
    this.#slider.replaceChildren(picture);
    this.#pick(this.#at);
  }

  #key(event) {
    if (!this.#day) return;
    const known = this.#values.length - 1;
    const at = this.#at ?? known;
    const hour = Math.round((HOUR * 60) / this.#day.step_s);
    const moves = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - hour, PageUp: at + hour, Home: this.#first(), End: known,
    };
    if (!(event.key in moves) || known < 0) return;
    event.preventDefault();
    const next = this.#at === null && event.key.startsWith("Arrow") ? known : moves[event.key];
    this.#pick(Math.min(Math.max(next, 0), known));
  }

  #first() {
    return Math.max(this.#values.findIndex((value) => value), 0);
  }

  #point(event) {
    if (!this.#scale || !this.#values.length) return;
    const { across, from, to } = this.#scale;
    const left = this.#slider.getBoundingClientRect().left;
    const ratio = (event.clientX - left - across(from)) / (across(to) - across(from));
    const index = Math.round(((from + ratio * (to - from)) * 60) / this.#day.step_s);
    this.#pick(Math.min(Math.max(index, 0), this.#values.length - 1));
  }

  #pick(index) {
    if (!this.#day) return;
    this.#at = index;
    const [known, value] = [this.#values.length - 1, this.#values[index ?? this.#values.length - 1]];
    const at = timeOf(this.#day, minuteOf(this.#day, Math.max(index ?? known, 0)));
    const text = known < 0 ? "nothing yet" : `${at}  ${said(value)}`;
    this.#slider.setAttribute("aria-valuemin", 0);
    this.#slider.setAttribute("aria-valuemax", Math.max(known, 0));
    this.#slider.setAttribute("aria-valuenow", Math.max(index ?? known, 0));
    this.#slider.setAttribute("aria-valuetext", text);
    if (index === null) {
      const best = this.#values.indexOf(highest(this.#values));
      const peak = best < 0 || !this.#values[best] ? "" :
        `most: ${power(this.#values[best])} at ${timeOf(this.#day, minuteOf(this.#day, best))}`;
      const made = peak && ` · sum: ${energy(energyOf(this.#day, this.#values))}`;
      say(this.#readout, peak ? `${peak}${made}` : "no power yet today");
      this.#hover?.replaceChildren();
      return;
    }
    const usual = this.#typical?.[index];
    say(this.#readout, usual === null || usual === undefined ? text : `${text}, typical ${power(usual)}`);
    const { x, up, bottom, ceiling } = this.#scale;
    this.#hover.replaceChildren(
      svg("line", { x1: x(index), x2: x(index), y1: ceiling, y2: bottom }),
      ...(value === null || value === undefined ? [] :
        [svg("circle", { cx: x(index), cy: up(value), r: 4.5 })]),
    );
  }
}

function said(value) {
  return value === null || value === undefined ? `${NOTHING} not known` : power(value);
}

function yTicks(most) {
  const rough = most / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * size).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function tickText(watts, top) {
  if (top < 1000) return `${+watts.toFixed(1)} W`;
  return `${+(watts / 1000).toFixed(2)} kW`;
}
