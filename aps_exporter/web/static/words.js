// How numbers and states are written: as words.py and roof_words.py do it on the server.

export const NOTHING = "—";
const GAP = "\u00a0";
const MOST_NAMES = 6;
const QUIET = ["missing", "stale", "asleep"];

const STATES = {
  online: "online",
  new: "online, new",
  expected: "online",
  missing: "missing",
  never_contacted: "never contacted",
  stale: "stale",
  asleep: "asleep",
  unused: "unused",
};

export function stateWord(state) {
  return Object.hasOwn(STATES, state) ? STATES[state] : state;
}

export function number(value, digits, unit) {
  if (value === null || value === undefined) return NOTHING;
  const scale = 10 ** digits;
  return `${(Math.floor(value * scale + 0.5) / scale).toFixed(digits)}${GAP}${unit}`;
}

export function power(watts) {
  if (watts === null || watts === undefined || Math.abs(watts) < 1000) return number(watts, 0, "W");
  return number(watts / 1000, 2, "kW");
}

export function energy(wattHours) {
  if (wattHours === null || Math.abs(wattHours) < 1000) return number(wattHours, 0, "Wh");
  if (Math.abs(wattHours) < 1e6) return number(wattHours / 1000, 1, "kWh");
  return number(wattHours / 1e6, 2, "MWh");
}

export function percent(ratio) {
  return number(ratio === null ? null : ratio * 100, 0, "%");
}

export function age(seconds) {
  if (seconds === null) return NOTHING;
  for (const [size, unit, until] of [[1, "s", 120], [60, "min", 7200], [3600, "h", 172800]]) {
    if (seconds < until) return number(Math.floor(Math.max(seconds, 0) / size), 0, unit);
  }
  return number(Math.floor(seconds / 86400), 0, "d");
}

// The times of an answer are in the ECU's zone: they are shown as they stand there.
export function clock(moment, now) {
  if (moment === null || moment === undefined) return NOTHING;
  const [day, time] = [moment.slice(0, 10), moment.slice(11, 16)];
  return day === now.slice(0, 10) ? time : `${day} ${time}`;
}

function step(share, watts) {
  if (!watts) return watts === 0 ? "zero" : "";
  if (share === null) return "s5";
  return `s${Math.min(Math.max(Math.floor(share * 10 + 0.5), 0), 10)}`;
}

export function tileClass(panel) {
  const shown = panel.state === "online" ? step(panel.share, panel.power_w) : panel.state;
  return `tile ${shown}`;
}

function missingNote({ ecu, roof, panels }) {
  const lost = roof.filter((p) => p.state === "missing" || p.state === "never_contacted");
  const names = lost.map((panel) => panel.name);
  if (names.length) {
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
    return `missing: ${names.slice(0, MOST_NAMES).join(", ")}${more}`;
  }
  if (ecu.level === "sleep") return "all are asleep";
  if (panels.missing) return `${panels.missing} missing`;
  return panels.received ? "all report" : "";
}

function sunNote({ sun, now }) {
  if (!sun) return "";
  const parts = [];
  if (sun.sunrise !== null) parts.push(`sunrise ${clock(sun.sunrise, now)}`);
  if (sun.sunset !== null) parts.push(`sunset ${clock(sun.sunset, now)}`);
  if (sun.elevation_deg !== null && sun.elevation_deg > 0) {
    parts.push(`the sun stands ${number(sun.elevation_deg, 0, "").slice(0, -1)}° high`);
  }
  return parts.join(", ");
}

function pvoutputNote({ pvoutput, now }) {
  if (!pvoutput) return "";
  const waiting = pvoutput.waiting ? `${pvoutput.waiting} wait` : "nothing waits";
  if (pvoutput.last_upload === null) return waiting;
  return `${waiting}, last upload at ${clock(pvoutput.last_upload, now)}`;
}

// Of an id its end, which tells panels apart where there is little room.
export function shortName({ id, name }) {
  return name === id && name.length > 9 ? `…${name.slice(-6)}` : name;
}

function tile(panel, lastReport) {
  let more = "";
  let [value, unit] = ["", ""];
  if (panel.state === "online") {
    [value, unit = ""] = power(panel.power_w).split(GAP);
    if (panel.share !== null) more = `${percent(panel.share)} of its group`;
  } else {
    const word = stateWord(panel.state);
    [value] = word.split(" ", 1);
    unit = word.slice(value.length + 1);
    if (QUIET.includes(panel.state) && lastReport !== NOTHING) {
      unit = lastReport;
      more = `last report at ${lastReport}`;
    }
  }
  return [value, unit, shortName(panel), more];
}

function panelRow(panel) {
  return [
    panel.name,
    panel.group,
    stateWord(panel.state),
    power(panel.power_w),
    percent(panel.share),
    number(panel.dc_voltage_v, 0, "V"),
  ];
}

export function gridVolts(inverter) {
  const phases = inverter.grid_voltages.map(
    ({ phase, voltage_v: volts }) => `${phase}${phase ? GAP : ""}${number(volts, 0, "V")}`,
  );
  return phases.join(", ") || NOTHING;
}

function inverterRow(inverter, now) {
  return [
    inverter.name,
    stateWord(inverter.state),
    gridVolts(inverter),
    number(inverter.grid_frequency_hz, 2, "Hz"),
    number(inverter.temperature_c, 0, "°C"),
    percent(inverter.signal_ratio),
    clock(inverter.last_report, now),
  ];
}

// What stands in every element with that data-t.
export function texts(status) {
  const { ecu, now, data, panels, polls } = status;
  const { measured_w: measured, estimated_w: estimated } = status.power;
  const { today_wh: today, lifetime_wh: lifetime } = status.energy;
  const of = panels.expected === null ? "" : ` of ${panels.expected}`;
  const failed = polls.filter((poll) => poll.error !== null).length;
  return {
    name: ecu.name,
    sentence: ecu.sentence,
    power: power(measured),
    "power.note": measured === null ? "no panel reports any power now" : "measured now",
    estimate: estimated === null ? "" : power(estimated),
    "estimate.note": `scaled up to all ${panels.expected ?? ""} panels`,
    panels: of || panels.received ? `${panels.received}${of}` : NOTHING,
    "panels.note": missingNote(status),
    energy: energy(today),
    "energy.note": lifetime === null ? "" : `${energy(lifetime)} in all its life`,
    age: age(data.age_s),
    "age.note": data.reported_at === null ? "" : `reported at ${clock(data.reported_at, now)}`,
    sun: sunNote(status),
    inverters: `${status.inverters_online} of ${status.inverters_expected} inverters online`,
    pvoutput: status.pvoutput ? status.pvoutput.sentence : "",
    "pvoutput.note": pvoutputNote(status),
    polls: `Last polls of the ECU: ${polls.length}, ${failed || "none"} failed`,
  };
}

// The texts of the children of tiles (t0, t1, …) and of rows in tables (p0, …, v0, …).
export function lists(status) {
  const result = {};
  const last = new Map(status.inverters.map((each) => [each.serial, each.last_report]));
  status.roof.forEach((panel, index) => {
    result[`t${index}`] = tile(panel, clock(last.get(panel.inverter), status.now));
    result[`p${index}`] = panelRow(panel);
  });
  status.inverters.forEach((inverter, index) => {
    result[`v${index}`] = inverterRow(inverter, status.now);
  });
  return result;
}

// The class of every element with that data-c, of tiles and of rows in tables.
export function classes(status) {
  const { ecu } = status;
  const calm = ecu.level === "good" || ecu.level === "sleep" ? "calm" : "";
  const result = {
    main: status.roof.length ? calm : `${calm} empty`,
    level: `sentence ${ecu.level}`,
    estimate: status.power.estimated_w === null ? "fact gone" : "fact",
    panels: status.panels.missing && ecu.level !== "sleep" ? "fact bad" : "fact",
    pvoutput: status.pvoutput ? "card" : "card gone",
  };
  const dc = status.roof.some((panel) => panel.dc_voltage_v !== null);
  const signal = status.inverters.some((inverter) => inverter.signal_ratio !== null);
  const grouped = status.roof.some((panel) => panel.group);
  result["panels.table"] = `${dc ? "" : "short"}${grouped ? "" : " plain"}`;
  result["inverters.table"] = signal ? "" : "short";
  status.roof.forEach((panel, index) => {
    result[`t${index}`] = tileClass(panel);
    result[`p${index}`] = panel.state === "online" ? "" : panel.state;
  });
  status.inverters.forEach((inverter, index) => {
    result[`v${index}`] = inverter.state === "online" ? "" : inverter.state;
  });
  return result;
}
