// Keeps the page of many ECUs current, worst first, and finds one by its name or labels.

import { byId, el, say } from "./dom.js";
import { watch } from "./live.js";
import { age, power } from "./words.js";

const REFRESH_S = 60;

const LEVELS = [
  ["bad", "fails", "fail"],
  ["warn", "needs a look", "need a look"],
  ["good", "is well", "are well"],
  ["sleep", "sleeps", "sleep"],
];

const main = document.querySelector("main");
const filter = el("input", {
  type: "search", placeholder: "Find an ECU", "aria-label": "Find an ECU", autocomplete: "off",
});

function row(ecu) {
  const { received, expected, missing } = ecu.panels;
  const labels = Object.values(ecu.labels).join(" · ");
  const link = el("a", { href: `./?ecu=${encodeURIComponent(ecu.name)}` }, ecu.name);
  return el("tr", {},
    el("th", { scope: "row" }, link, labels ? el("small", {}, labels) : null),
    el("td", {}, el("p", { class: `sentence ${ecu.level}` }, el("span", {}, ecu.sentence))),
    el("td", { class: "n" }, power(ecu.power_w)),
    el("td", { class: missing ? "n lacking" : "n" },
      `${received}${expected === null ? "" : ` of ${expected}`}`),
    el("td", { class: "n" }, age(ecu.age_s)));
}

function failureRow({ target, at, status, error }) {
  const texts = [at.slice(0, 19).replace("T", " "), status, error];
  return el("tr", {}, el("th", { scope: "row" }, target), ...texts.map((text) => el("td", {}, text)));
}

function showCounts(ecus) {
  const counts = LEVELS.map(([level, one, several]) => {
    const count = ecus.filter((ecu) => ecu.level === level).length;
    return { level, count, text: `${count} ${count > 1 ? several : one}` };
  }).filter(({ count }) => count);
  say(byId("counts"), counts.map(({ text }) => text).join(", "));
  byId("counts").className = `sentence ${counts[0]?.level ?? ""}`;
}

function sift() {
  const wanted = filter.value.trim().toLowerCase();
  for (const each of byId("ecus").children) {
    each.hidden = !each.firstChild.textContent.toLowerCase().includes(wanted);
  }
}

function show({ ecus, failures }) {
  const focused = document.activeElement?.closest("#ecus a")?.getAttribute("href");
  byId("ecus").replaceChildren(...ecus.map(row));
  const again = [...byId("ecus").querySelectorAll("a")];
  again.find((link) => link.getAttribute("href") === focused)?.focus();
  const known = ecus.map((ecu) => ecu.power_w).filter((watts) => watts !== null);
  const sum = power(known.length ? known.reduce((one, other) => one + other) : null);
  say(byId("power"), sum);
  showCounts(ecus);
  say(document.querySelector("h1"), `${ecus.length} ECUs`);
  document.title = `${sum} · ${ecus.length} ECUs`;
  sift();
  byId("failures").replaceChildren(...failures.map(failureRow));
  byId("failures").closest("section").className = failures.length ? "card" : "card gone";
  return REFRESH_S;
}

filter.addEventListener("input", sift);
document.querySelector("table.fleet").before(filter);
watch(main.dataset.fleet, show);
