// Brings the roof's page to life: it shows what the server wrote, and from then on what it answers.

import { DaySection, prepare } from "./day.js";
import { Details } from "./details.js";
import { byId, el, say } from "./dom.js";
import { ask, soon, watch } from "./live.js";
import { age, classes, lists, number, power, texts } from "./words.js";

const TICK_MS = 10000;
const CALM_MS = 3000;

const main = document.querySelector("main");
const grid = document.querySelector(".tiles");
const tiles = [...document.querySelectorAll(".tile")];
const written = [...document.querySelectorAll("[data-t]")];
// By their keys among `classes` and `lists`.
const coloured = new Map([
  ...[...document.querySelectorAll("[data-c]")].map((node) => [node.dataset.c, node]),
  ...tiles.map((tile) => [tile.hash.replace("#p", "t"), tile]),
  ...[...document.querySelectorAll("tbody tr[id]")].map((row) => [row.id, row]),
]);
const places = new Map(tiles.map((tile) => [tile, placeOf(tile)]));

const opened = Date.now();

let status = null;
let day = null;
let heard = 0;
let anew = 0;

const details = new Details(() => stand());
const daySection = new DaySection((id) => details.show(id));

function show(answer) {
  status = answer;
  heard = Date.now();
  const [text, list, kind] = [texts(status), lists(status), classes(status)];
  for (const node of written) say(node, text[node.dataset.t] ?? "");
  for (const [key, node] of coloured) {
    const wanted = kind[key] ?? "";
    if (node.className !== wanted) node.className = wanted;
    list[key]?.forEach((each, index) => {
      const child = node.children[index];
      say(child.localName === "th" ? child.firstChild : child, each);
    });
  }
  byId("polls").replaceChildren(...status.polls.map(pollRow));
  const watts = status.power.measured_w;
  document.title = `${watts === null ? "" : `${power(watts)} · `}${status.ecu.name}`;
  details.update(status, day);
  stand();
  showDay();
  return status.ecu.status === "unknown" ? soon() : status.refresh_s;
}

async function showDay() {
  try {
    day = prepare(await ask(main.dataset.day), status);
  } catch (error) {
    console.info("aps-exporter: no day,", error.message);
    return;
  }
  daySection.show(day, status.roof);
  details.update(status, day);
}

function pollRow(poll) {
  return el("tr", {},
    el("td", {}, poll.at.slice(0, 19).replace("T", " ")),
    el("td", {}, poll.status),
    el("td", { class: "n" }, number(poll.duration_s, 2, "s")),
    el("td", {}, poll.error ?? ""));
}

// Where a tile lies: its row says its number, and the grid those of the columns.
function placeOf(tile) {
  const cell = tile.parentElement;
  const row = cell.parentElement;
  const column = [...row.children].indexOf(cell);
  return `${row.dataset.row},${grid.dataset.columns.split(" ")[column]}`;
}

// Another roof than the one that the server laid out: it is asked to do it again.
function stand() {
  if (!status || details.open) return;
  // Sorted, as the tiles stand in the page row by row.
  const there = tiles.map((tile) => `${tile.dataset.id} ${places.get(tile)}`).sort().join("\n");
  const wanted = status.roof
    .map(({ id, row, column }) => `${id} ${row},${column}`)
    .sort()
    .join("\n");
  const inverters = document.querySelectorAll("#inverters tbody tr").length;
  const linked = status.links.fleet === undefined || document.querySelector("nav a") !== null;
  const same = there === wanted && inverters === status.inverters.length && linked;
  // Whatever goes wrong, pages must not reload in one rush.
  clearTimeout(anew);
  if (!same) anew = setTimeout(() => location.reload(), CALM_MS - (Date.now() - opened));
}

function tick() {
  if (!status || status.data.age_s === null) return;
  const seconds = status.data.age_s + (Date.now() - heard) / 1000;
  say(document.querySelector('[data-t="age"]'), age(seconds));
}

// One stop for the Tab key, and arrows from tile to tile, as they lie.
function walkable() {
  const place = new Map(tiles.map((tile) => [tile, tile.getBoundingClientRect()]));
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];
  const [dx, dy] = [
    { ArrowLeft: -1, ArrowRight: 1 },
    { ArrowUp: -1, ArrowDown: 1 },
  ];

  function next(from, key) {
    for (const tile of tiles) place.set(tile, tile.getBoundingClientRect());
    const [x, y] = middle(place.get(from));
    const [along, aside] = key in dx ? [0, 1] : [1, 0];
    const sign = dx[key] ?? dy[key];
    const ways = tiles.map((tile) => {
      const there = middle(place.get(tile));
      const way = [there[0] - x, there[1] - y];
      return { tile, ahead: way[along] * sign, off: Math.abs(way[aside]) };
    });
    const ahead = ways.filter((way) => way.ahead > 1 && (key in dy || way.off < 2));
    ahead.sort((one, other) => one.ahead + 3 * one.off - (other.ahead + 3 * other.off));
    return ahead[0]?.tile;
  }

  function enter(tile) {
    tiles.forEach((each) => each.setAttribute("tabindex", each === tile ? 0 : -1));
  }

  if (tiles.length) {
    grid.setAttribute("role", "grid");
    for (const row of grid.children) {
      row.setAttribute("role", "row");
      for (const cell of row.children) cell.setAttribute("role", "gridcell");
    }
    enter(tiles[0]);
  }
  grid?.addEventListener("focusin", (event) => enter(event.target));
  grid?.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      event.target.click();
    } else if (event.key in dx || event.key in dy) {
      event.preventDefault();
      next(event.target, event.key)?.focus();
    }
  });
}

for (const tile of tiles) {
  tile.setAttribute("aria-haspopup", "dialog");
  tile.addEventListener("click", (event) => {
    if (!status || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    details.show(tile.dataset.id);
  });
}

document.documentElement.classList.add("alive");
walkable();
setInterval(tick, TICK_MS);
watch(main.dataset.status, show);
