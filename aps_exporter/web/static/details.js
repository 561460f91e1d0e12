// What a tap on a panel opens: its numbers, its day, and how its inverter is.

import { Chart } from "./chart.js";
import { el, say } from "./dom.js";
import {
  clock, gridVolts, number, percent, power, stateWord, tileClass,
} from "./words.js";

export class Details {
  #dialog;
  #title = el("h2", { id: "details-title" });
  #id = el("small");
  #state = el("p", { class: "swatch" });
  #power = el("p", { class: "big" });
  #facts = el("dl");
  #chart;
  #status = null;
  #day = null;
  #panel = null;
  #closed;

  constructor(closed) {
    this.#closed = closed;
    const button = (label, sign, act) => {
      const node = el("button", { type: "button", "aria-label": label }, sign);
      node.addEventListener("click", act);
      return node;
    };
    const curve = el("div", { class: "chart" });
    this.#dialog = el(
      "dialog",
      { class: "details", "aria-labelledby": "details-title" },
      el("header", {}, el("div", {}, this.#title, this.#id),
        button("Previous panel", "‹", () => this.#walk(-1)),
        button("Next panel", "›", () => this.#walk(1)),
        button("Close", "×", () => this.#dialog.close())),
      el("div", { class: "state" }, this.#power, this.#state),
      curve,
      this.#facts,
    );
    this.#chart = new Chart(curve, "Power of this panel today");
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.addEventListener("close", () => {
      this.#panel = null;
      this.#closed();
    });
    document.body.append(this.#dialog);
  }

  get open() {
    return this.#dialog.open;
  }

  // Takes the newest answers.
  update(status, day) {
    this.#status = status;
    this.#day = day;
    if (this.open) this.show(this.#panel);
  }

  show(id) {
    const panel = this.#status?.roof.find((each) => each.id === id);
    if (!panel) return;
    const inverter = this.#status.inverters.find((each) => each.serial === panel.inverter);
    this.#panel = id;
    say(this.#title, panel.name);
    say(this.#id, panel.name === panel.id ? "" : panel.id);
    say(this.#power, panel.state === "online" ? power(panel.power_w) : stateWord(panel.state));
    this.#state.className = `swatch ${tileClass(panel)}`;
    this.#facts.replaceChildren(...this.#list(panel, inverter));
    if (!this.open) this.#dialog.showModal();
    if (this.#day) {
      this.#chart.show(this.#day, this.#day.panels.get(id) || [], this.#day.typical.get(panel.group));
    }
  }

  #list(panel, inverter) {
    const facts = [
      ["State", stateWord(panel.state)],
      ["Of its group's typical", percent(panel.share)],
      ["Group", panel.group],
      ["DC voltage", panel.dc_voltage_v === null ? "" : number(panel.dc_voltage_v, 0, "V")],
    ];
    if (inverter) {
      const named = inverter.name === inverter.serial ? "" : ` (${inverter.serial})`;
      facts.push(
        ["Inverter", `${inverter.name}${named}, ${stateWord(inverter.state)}`],
        ["Grid voltage", gridVolts(inverter)],
        ["Grid frequency", number(inverter.grid_frequency_hz, 2, "Hz")],
        ["Inside", number(inverter.temperature_c, 0, "°C")],
        ["Signal", inverter.signal_ratio === null ? "" : percent(inverter.signal_ratio)],
        ["Last report", clock(inverter.last_report, this.#status.now)],
      );
    }
    const shown = facts.filter(([, text]) => text);
    return shown.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)));
  }

  #walk(by) {
    const roof = this.#status.roof;
    const at = roof.findIndex((panel) => panel.id === this.#panel);
    this.show(roof[(at + by + roof.length) % roof.length].id);
  }
}
