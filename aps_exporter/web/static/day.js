// The day of the roof, and of each panel small beside the others.

import {
  Chart, areaPath, dotPath, energyOf, highest, hoursOf, linePath, minuteOf,
} from "./chart.js";
import { byId, el, say, svg } from "./dom.js";
import { clock, energy, shortName } from "./words.js";

const WIDTH = 120;
const HEIGHT = 44;

const SOURCES = {
  watched: "As read by this exporter since it started.",
  ecu: "As the ECU itself remembers its day.",
  both: "As the ECU itself remembers its day, then as read by this exporter.",
};

// An answer of api/v1/day with what the charts need besides.
export function prepare(answer, status) {
  const start = Date.parse(answer.start);
  const sun = status.sun && status.now.slice(0, 10) === answer.date ? status.sun : {};
  const marks = [];
  for (const [name, side] of [["sunrise", 1], ["sunset", -1]]) {
    if (!sun[name]) continue;
    const minute = (Date.parse(sun[name]) - start) / 60000;
    marks.push({ minute, side, label: `${name} ${clock(sun[name], sun[name])}` });
  }
  const shift = offset(status.now) - offset(answer.start);
  const panels = new Map(Object.entries(answer.panels));
  return { ...answer, panels, marks, shift, typical: typicalOf(panels, status.roof) };
}

// Minutes that a zone is ahead of UTC, from the end of an ISO 8601 moment.
function offset(moment) {
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)$/.exec(moment) || ["", "+", 0, 0];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

// Group → the median of its panels, step by step.
function typicalOf(panels, roof) {
  const groups = new Map();
  for (const panel of roof) {
    const values = panels.get(panel.id);
    if (values) groups.set(panel.group, [...(groups.get(panel.group) || []), values]);
  }
  for (const [group, members] of groups) {
    const length = Math.max(...members.map((values) => values.length));
    const steps = Array.from({ length }, (_, index) => median(members.map((each) => each[index])));
    groups.set(group, members.length > 1 ? steps : null);
  }
  return groups;
}

function median(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (!known.length) return null;
  known.sort((one, other) => one - other);
  return (known[(known.length - 1) >> 1] + known[known.length >> 1]) / 2;
}

export class DaySection {
  #chart = null;
  #minis = new Map();
  #day = null;
  #most = 0;
  #open;
  #seen = new IntersectionObserver((entries) => this.#arrive(entries), { rootMargin: "200px" });

  constructor(open) {
    this.#open = open;
    addEventListener("beforeprint", () => this.#minis.forEach((mini) => this.#drawMini(mini)));
  }

  show(day, roof) {
    this.#chart ??= new Chart(byId("day"), "Power of the roof today");
    this.#day = day;
    this.#chart.show(day, day.total);
    const source = Object.hasOwn(SOURCES, day.source) ? SOURCES[day.source] : "";
    say(byId("day-note"), day.total.length ? source : "");
    this.#most = highest([...day.panels.values()].map(highest));
    const ids = roof.map((panel) => panel.id);
    if (ids.join("\n") !== [...this.#minis.keys()].join("\n")) this.#build(roof);
    roof.forEach((panel) => {
      const mini = this.#minis.get(panel.id);
      mini.panel = panel;
      if (mini.visible) this.#drawMini(mini);
    });
  }

  #build(roof) {
    this.#seen.disconnect();
    this.#minis.clear();
    roof.forEach((panel, index) => {
      const sum = el("small", { class: "n" });
      const name = el("span", {}, shortName(panel));
      const picture = svg("svg", {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true",
      });
      const node = el("a", { href: `#p${index}`, class: "mini" }, picture, el("p", {}, name, sum));
      const mini = { panel, node, picture, name, sum, visible: false };
      node.addEventListener("click", (event) => {
        event.preventDefault();
        this.#open(mini.panel.id);
      });
      this.#minis.set(panel.id, mini);
      this.#seen.observe(node);
    });
    byId("minis").replaceChildren(...[...this.#minis.values()].map((mini) => mini.node));
  }

  // Of hundreds of panels only those are drawn that are looked at.
  #arrive(entries) {
    for (const { target, isIntersecting } of entries) {
      const mini = [...this.#minis.values()].find(({ node }) => node === target);
      if (!mini) continue;
      mini.visible = isIntersecting;
      if (isIntersecting) this.#drawMini(mini);
    }
  }

  #drawMini({ panel, node, picture, name, sum }) {
    const values = this.#day.panels.get(panel.id) || [];
    const { from, to } = hoursOf(this.#day);
    const x = (index) => ((minuteOf(this.#day, index) - from) / (to - from)) * WIDTH;
    const y = (watts) => HEIGHT - 1 - (watts / (this.#most || 1)) * (HEIGHT - 3);
    const usual = this.#day.typical.get(panel.group);
    picture.replaceChildren(
      svg("path", { class: "area", d: areaPath(values, x, y) }),
      svg("path", { class: "typical", d: usual ? linePath(usual, x, y) : "" }),
      svg("path", { class: "line", d: linePath(values, x, y) }),
      svg("path", { class: "dots", d: dotPath(values, x, y) }),
    );
    say(name, shortName(panel));
    say(sum, values.some((value) => value !== null) ? energy(energyOf(this.#day, values)) : "—");
    node.classList.toggle("lost", panel.state === "missing" || panel.state === "never_contacted");
  }
}
